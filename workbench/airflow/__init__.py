"""Everything that leans on the innards of Airflow 3.0.6: for another version, look here first.

Each module says what it stands in for, and what stock Airflow does without it.
"""
