"""Run a DAG and every DAG that its asset events trigger, in one process, or plan such a chain."""
