"""What is in the images, and what must not be."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.containers.stack import ROOT, Stack, copy_checkout

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20
#: Published as source only; pure Python.
WITHOUT_WHEEL = {"dill"}
TARGETS = ("runtime", "emulators", "workspace")
#: Where a user's or a machine's secrets and leftovers lie in a checkout.
HIDING_PLACES = (".env", ".git/config", ".run/keys/fernet_key", "secrets/google_service_account.json", "dags/notes.txt")


@pytest.fixture(scope="module")
def images(checkout: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The images of a checkout full of secrets; target -> image."""
    folder = copy_checkout(tmp_path_factory.mktemp("images") / "checkout")
    for place in HIDING_PLACES:
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(f"# {CANARY}\n", encoding="utf-8")
    builder = replace(checkout, checkout=folder)
    built = {}
    for target in TARGETS:
        built[target] = builder.docker(
            "build", "--quiet", "--file=compose/Dockerfile", f"--target={target}", "."
        ).strip()
    return built


CANARY = secrets.token_hex(16)


def in_image(stack: Stack, image: str, *command: str) -> str:
    """Run a command in an image, as root to see everything."""
    return stack.docker("run", "--rm", "--network=none", "--user=0", f"--entrypoint={command[0]}", image, *command[1:])


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_of_the_user(checkout: Stack, images: dict[str, str], target: str) -> None:
    """Nothing of the user's gets into an image."""
    script = f"grep -rlF {CANARY} /home /opt /tmp /root /etc /var /srv || true"
    assert in_image(checkout, images[target], "sh", "-c", script) == ""
    assert CANARY not in checkout.docker("history", "--no-trunc", images[target])


@pytest.mark.parametrize("target", TARGETS)
def test_no_keys(checkout: Stack, images: dict[str, str], target: str) -> None:
    """No image has keys or mounted folders."""
    names = r"\( -name '*.key' -o -name id_rsa -o -name .env -o -name .netrc -o -name '*service_account*.json' \)"
    script = f"find /home /opt /root /tmp /srv -xdev {names} -not -path '*/site-packages/*'; ls -A /opt/airflow/*"
    found = in_image(checkout, images[target], "sh", "-c", script)
    assert [line for line in found.splitlines() if line and not line.endswith(":")] == []
    description = json.loads(checkout.docker("image", "inspect", images[target]))[0]["Config"]
    assert [entry for entry in description["Env"] if re.search(r"(PASSWORD|SECRET|TOKEN)[A-Z_]*=.", entry)] == []


@pytest.mark.parametrize("target", TARGETS)
def test_not_root(checkout: Stack, images: dict[str, str], target: str) -> None:
    """No image runs as root."""
    user = json.loads(checkout.docker("image", "inspect", images[target]))[0]["Config"]["User"]
    assert user.split(":")[0] in {"50000", "vscode"}


def test_size(checkout: Stack, images: dict[str, str]) -> None:
    """The runtime's own layers stay small."""
    base = checkout.docker("image", "inspect", "--format={{.Size}}", "apache/airflow:slim-3.0.6-python3.11")
    whole = checkout.docker("image", "inspect", "--format={{.Size}}", images["runtime"])
    assert int(whole) - int(base) < 600 * MIB


def test_compiled(checkout: Stack, images: dict[str, str]) -> None:
    """Installed packages are compiled, and nothing checks again.

    A start that had to compile what it imports would take twice the CPU time.
    """
    program = "import airflow.models, sys; print(airflow.models.__cached__)"
    cached = checkout.docker(
        "run", "--rm", "--network=none", "--entrypoint=python", images["runtime"], "-c", program
    ).strip()
    flags = in_image(checkout, images["runtime"], "sh", "-c", f"od -An -tu1 -j4 -N1 {cached.splitlines()[-1]}")
    assert int(flags) == 1  # hash-based, unchecked


@pytest.mark.parametrize("processor", ["aarch64", "x86_64"])
@pytest.mark.parametrize("lock", ["airflow", "emulators", "dev"])
def test_wheels(tmp_path: Path, processor: str, lock: str) -> None:
    """Every locked package has a wheel for this processor, by the index.

    Nothing is compiled in a build, on a Mac's virtual machine as little as on a PC.
    """
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = re.split(r"^(?=[A-Za-z0-9_.-]+==)", text, flags=re.MULTILINE)
    kept = [entry for entry in entries if entry.split("==")[0] not in WITHOUT_WHEEL]
    (tmp_path / "lock.txt").write_text("".join(kept), encoding="utf-8")
    command = [sys.executable, "-m", "uv", "pip", "install", "--dry-run", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", f"--python-platform={processor}-unknown-linux-gnu", "--python-version=3.11"]
    command += [f"--target={tmp_path / 'nowhere'}", "--requirements", str(tmp_path / "lock.txt")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("\n + ") == sum("==" in entry for entry in kept)
