"""A DAG and every DAG that its asset events wake, in one process: what wakes what, as a plan and for real."""
