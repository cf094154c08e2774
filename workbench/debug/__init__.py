"""F5 and `./dev run`: `dag.test()` in a database of its own. Importing this package loads nothing of Airflow."""

from workbench.debug.main_block import isolated

__all__ = ["isolated"]
