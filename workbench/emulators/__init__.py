"""Emulators for S3, Snowflake, Google Sheets and Slack: one process that speaks to the vendors' own clients.

Importing this package costs nothing: what serves lives in modules that only `python -m workbench.emulators`
imports, in an environment of its own.
"""

from workbench.emulators.instance import Connections, serve

__all__ = ["Connections", "serve"]
