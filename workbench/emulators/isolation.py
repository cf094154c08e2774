"""Keep the user's own cloud out of reach: the emulators connect to nothing but themselves."""

from __future__ import annotations

import os


def isolate_environment() -> None:
    """Remove AWS profiles, endpoints and proxies from the environment of this process and its children."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
        "no_proxy": "*",
    }
