"""Test bodies that run natively and in containers; `tests/native` and `tests/containers` give them their place."""
