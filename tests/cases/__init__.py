"""Test bodies that run natively and in containers; `tests/native` and `tests/containers` give them their place."""

#: A crashed scheduler's tasks are taken over after its threshold, here stock's, and this.
SOONER = """\
AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD=30
AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL=5
"""
