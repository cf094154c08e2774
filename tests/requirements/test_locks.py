"""The locks and their inputs agree, without anything being installed or asked of a registry."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workbench.cli.commands import lock

LOCKS = sorted(lock.WITHIN)

#: package -> why the lock leaves the version that was published with Airflow 3.0.6.
DEVIATIONS: dict[str, str] = {}


def pins(text: str) -> dict[str, str]:
    """Parse `name==version` lines into canonical name -> version."""
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", text, re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def read(name: str) -> str:
    return (lock.REQUIREMENTS / name).read_text()


def inputs(name: str) -> list[Requirement]:
    """Parse an `.in` file, following `-r`."""
    wanted: list[Requirement] = []
    for line in read(name).splitlines():
        if line.startswith("-r "):
            wanted += inputs(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            wanted.append(Requirement(line))
    return wanted


@pytest.mark.parametrize("name", LOCKS)
def test_every_input_is_locked_at_a_version_that_it_allows(name: str) -> None:
    locked = pins(read(f"{name}.txt"))
    for requirement in inputs(f"{name}.in"):
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{requirement} is not in {name}.txt: ./dev lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {version} is locked"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    entries = re.split(r"^(?=[A-Za-z0-9_.-]+==)", read(f"{name}.txt"), flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("name", LOCKS)
def test_no_lock_names_a_registry(name: str) -> None:
    """A mirror must serve as well, and an address in a lock leaks where it was made."""
    assert re.findall(r"https?://\S+|--(?:extra-)?index-url.*|--find-links.*", read(f"{name}.txt")) == []


def test_airflow_stays_within_its_published_constraints() -> None:
    """Otherwise the official image's layers would be installed twice, untested together."""
    published = pins(read(lock.AIRFLOW_CONSTRAINTS))
    locked = pins(read("airflow.txt"))
    differing = {name for name, version in locked.items() if published.get(name, version) != version}
    assert differing == set(DEVIATIONS)


def test_the_tools_see_the_same_airflow_as_the_containers() -> None:
    """dev.txt is airflow.txt and more: nothing that a DAG imports differs between a debugger and a service."""
    everything = pins(read("dev.txt"))
    differing = {name for name, version in pins(read("airflow.txt")).items() if everything.get(name) != version}
    assert differing == set()
