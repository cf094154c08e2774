"""Everything that depends on the inside of Airflow 3.0.6, and the only place that compares versions (`compat`).

Each module names what of Airflow's it replaces. For another version of Airflow, begin with `compat.KNOWN`.
"""
