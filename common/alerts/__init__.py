"""Failure alerts: what is reported (`message`, `rules`), that it is reported once (`ledger`), how it is sent (`slack`).

`common.utils.task_failure_alert` is the callback for DAGs; docs/adr/0012 explains how the parts work together.
"""
