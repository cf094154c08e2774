"""Docker where there is none: an engine from Debian's packages and base images without a registry.

`python -m tests.containers.harness up|down|env` is the same for a person behind a network that lets neither through.
"""
