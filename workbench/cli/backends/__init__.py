"""Where an environment runs: native, docker, devcontainer."""
