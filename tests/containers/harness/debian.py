"""Packages and root file systems from the Debian mirror that this machine already uses; the machine stays as it is."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

#: Overrides the mirror, for machines whose own sources are of another distribution.
MIRROR_VARIABLE = "WORKBENCH_DEBIAN_MIRROR"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: A snapshot of Debian testing may be older than its signature's validity by this machine's clock.
SOURCE = "deb [signed-by={keyring} check-valid-until=no] {mirror} {suite} main\n"
#: Nobody reads manuals in a container that lives for a test.
LEFT_OUT = tuple(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in ("doc", "man", "locale"))

CONFIGURATION = """\
Dir::State "{root}/state";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Acquire::Languages "none";
APT::Sandbox::User "root";
"""


class NoMirrorError(RuntimeError):
    """This machine does not say where Debian's packages are."""


def mirror() -> str:
    """Return the address of the first Debian archive in the machine's own apt sources."""
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    targets = run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"],
        capture=True,
    )
    for target in targets.splitlines():
        address, release, component = target.split("|")
        if component == "main" and address.rstrip("/").endswith("/debian") and "-" not in release:
            return address.rstrip("/")
    raise NoMirrorError(f"no Debian archive among this machine's apt sources; name one in {MIRROR_VARIABLE}")


@dataclass(frozen=True)
class Packages:
    """Packages unpacked side by side, outside the machine's own file system tree.

    :param root: where apt's state goes.
    :param prefix: where the packages' files go.
    """

    root: Path
    prefix: Path

    def unpack(self, wanted: Mapping[str, Sequence[str]]) -> None:
        """Fetch the packages of each suite, verified by Debian's signature, and unpack them.

        :param wanted: suite -> packages; what they depend on is not fetched.
        """
        archives = self.root / "archives"
        for folder in (self.root / "state/lists/partial", self.root / "cache/archives/partial", archives, self.prefix):
            folder.mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        where = mirror()
        sources = "".join(SOURCE.format(keyring=KEYRING, mirror=where, suite=suite) for suite in wanted)
        (self.root / "sources.list").write_text(sources, encoding="utf-8")
        (self.root / "apt.conf").write_text(CONFIGURATION.format(root=self.root), encoding="utf-8")
        environment = {"APT_CONFIG": str(self.root / "apt.conf")}
        run(["apt-get", "-qq", "-o", "Acquire::Retries=3", "update"], environment=environment)
        names = [f"{package}/{suite}" for suite, packages in wanted.items() for package in packages]
        run(["apt-get", "-qq", "-o", "Acquire::Retries=3", "download", *names], environment=environment, cwd=archives)
        for archive in sorted(archives.glob("*.deb")):
            run(["dpkg-deb", "-x", str(archive), str(self.prefix)])
            archive.unlink()


def root_file_system(mmdebstrap: Path, tar: Path, suite: str, packages: Sequence[str]) -> None:
    """Make the tar of a small Debian with these packages and what they depend on."""
    command = ["perl", str(mmdebstrap), "--quiet", "--mode=root", "--variant=minbase", *LEFT_OUT]
    # For mmtarfilter, which lies beside it.
    environment = {"PATH": f"{mmdebstrap.parent}:{os.environ['PATH']}", "TMPDIR": str(tar.parent)}
    run([*command, f"--include={','.join(packages)}", suite, str(tar), mirror()], environment=environment)


def run(
    command: Sequence[str],
    *,
    capture: bool = False,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a command to its end.

    :return: what it printed, if that was to be captured.
    :raises RuntimeError: with what it said.
    """
    result = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = (result.stderr.strip() or result.stdout.strip())[-4000:]
        raise RuntimeError(f"{' '.join(map(str, command))} ended with {result.returncode}:\n{said}")
    return result.stdout if capture else ""
