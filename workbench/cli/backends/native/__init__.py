"""The environment as this user's processes, under supervisor."""
