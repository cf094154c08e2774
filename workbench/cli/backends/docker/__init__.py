"""The environment in Docker."""
