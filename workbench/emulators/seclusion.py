"""Keep the user's own cloud out: the emulators talk to nobody but themselves."""

from __future__ import annotations

import os


def seclude() -> None:
    """Forget the environment's AWS profile, endpoints and proxies, for this process and those that it starts."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
