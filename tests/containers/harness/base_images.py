"""The base images by their official names: pulled where a registry answers, else built from Debian's packages and PyPI.

What is built keeps the official images' contract as far as the project relies on it; it carries a label that says so.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.containers.harness.debian import root_file_system

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.containers.harness.engine import Engine

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LABEL = "airflow-workbench.stands-in"
#: Official name -> folder of its emulator.
IMAGES = {"apache/airflow:slim-3.0.6-python3.11": "airflow", "postgres:13-alpine": "postgres"}
#: What a benchmark's peer needs besides.
PEERS = {"redis:7.2-bookworm": "redis"}
#: Image of packages -> suite and packages. PostgreSQL 13 is Debian 11's.
ROOTS = {
    "workbench/debian:bookworm": (
        "bookworm",
        ["ca-certificates", "curl", "dumb-init", "git", "openssh-client", "procps", "python3.11", "python3.11-venv"],
    ),
    "workbench/postgres-packages:13": ("bullseye", ["postgresql-13"]),
    "workbench/redis-packages:7": ("bookworm", ["redis-server"]),
}
NEEDS = {
    "airflow": "workbench/debian:bookworm",
    "postgres": "workbench/postgres-packages:13",
    "redis": "workbench/redis-packages:7",
}
CERTIFICATES = Path("/usr/local/share/ca-certificates")


def ensure(engine: Engine, images: Mapping[str, str] = IMAGES) -> None:
    """Have each base image in the engine."""
    for image, folder in images.items():
        if _is_official(engine, image) or _is_pulled(engine, image):
            continue
        if engine.folder is None:
            raise RuntimeError(f"{image} cannot be pulled, and the machine's own daemon gets no image of ours")
        _ensure_root(engine, engine.folder, NEEDS[folder])
        with tempfile.TemporaryDirectory(dir=engine.folder) as context:
            _fill(Path(context), folder)
            engine.docker("build", "--quiet", "--tag", image, "--label", f"{LABEL}={image}", context)


def _is_official(engine: Engine, image: str) -> bool:
    with suppress(RuntimeError):
        labels = json.loads(engine.docker("image", "inspect", "--format", "{{json .Config.Labels}}", image))
        return LABEL not in (labels or {})
    return False


def _is_pulled(engine: Engine, image: str) -> bool:
    try:
        engine.docker("pull", "--quiet", image)
    except RuntimeError:
        return False
    return True


def _ensure_root(engine: Engine, folder: Path, image: str) -> None:
    with suppress(RuntimeError):
        engine.docker("image", "inspect", image)
        return
    suite, packages = ROOTS[image]
    tar = folder / f"{suite}.tar"
    root_file_system(folder / "prefix/usr/bin/mmdebstrap", tar, suite, packages)
    engine.docker("import", str(tar), image)
    tar.unlink()


def _fill(context: Path, folder: str) -> None:
    """Lay out what the Dockerfile copies."""
    shutil.copytree(HERE / "images" / folder, context, dirs_exist_ok=True)
    shutil.copy(ROOT / "requirements/constraints-3.0.6.txt", context)
    certificates = context / "certificates"
    certificates.mkdir()
    for certificate in CERTIFICATES.glob("*.crt"):
        shutil.copy(certificate, certificates)
