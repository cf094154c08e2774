"""The least versions and sizes that a start needs; each failure says what was expected and what was found."""

from __future__ import annotations

import re

MIB, GIB = 1 << 20, 1 << 30

#: `healthcheck.start_interval` needs this Docker Engine.
DOCKER_ENGINE = (25, 0)
#: `include` with several `env_file`s needs this Docker Compose.
DOCKER_COMPOSE = (2, 24)
#: Bytes. The services' limits sum to 6 GiB; a virtual machine of 6 GiB leaves Docker a little less.
DOCKER_MEMORY = int(5.5 * GIB)
#: Bytes: images and data of a first start.
DOCKER_DISK = 4 * GIB
#: Bytes that should be free; a native start with less only prints a warning.
NATIVE_MEMORY = 1200 * MIB
#: Bytes: the database, its log and the bytecode of a first start.
NATIVE_DISK = 500 * MIB
#: Bytes: caches of the tools; everything else is in volumes of other containers.
DEVCONTAINER_DISK = 200 * MIB


def numbers(version: str) -> tuple[int, ...]:
    """Return major and minor of a version such as `v2.40.3-desktop.1`."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def version_text(version: tuple[int, ...]) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))


def size_text(size: int) -> str:
    """Return a size in bytes as people write it."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size // MIB} MiB"


def expected(least: str, found: str) -> str:
    """Return the reason of an error: what is needed, and what is there."""
    return f"expected {least} or more, found {found}"
