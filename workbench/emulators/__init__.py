"""Emulators for S3, Snowflake, Google Sheets and Slack: one process that the vendors' own clients connect to.

Importing this package is cheap: only `python -m workbench.emulators` imports the servers, in its own environment.
"""

from workbench.emulators.instance import Connections, serve

__all__ = ["Connections", "serve"]
