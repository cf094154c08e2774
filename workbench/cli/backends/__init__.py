"""What runs an environment: native, docker or devcontainer, behind one protocol."""
