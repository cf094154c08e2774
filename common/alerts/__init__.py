"""Failure alerts: what is told (`message`), that it is told once (`ledger`), and how it gets to Slack (`slack`).

`common.utils.task_failure_alert` is the way in for DAGs; docs/adr/0012 tells how the parts play together.
"""
