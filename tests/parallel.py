"""Which tests run in one process when several share the work: those that share what they start."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from xdist.remote import Producer

#: Files -> the environment that they share; the first match counts. All others share within a file.
GROUPS = {
    "tests/containers/test_devcontainer.py": "the dev containers",
    "tests/containers/*": "the environment in Docker",
    "tests/native/test_chain_agrees.py": "the native environment",
    "tests/native/test_conn.py": "the native environment",
    "tests/native/test_pipeline.py": "the native environment",
    "tests/native/test_reload.py": "the native environment",
    "tests/native/test_shell.py": "the native environment",
}
#: Begin first: they take longest.
LONGEST = ("tests/native/test_alerts.py", "the native environment")
#: Then these layers in turn: environments rarely more than two at a time, what is short at the end to fill the gaps.
TURNS = ("emulators", "native", "unit", "containers")


def group_of(nodeid: str) -> str:
    """Return the group of a test."""
    file = nodeid.partition("::")[0]
    return next((group for pattern, group in GROUPS.items() if fnmatch(file, pattern)), file)


def turn_of(item: pytest.Item) -> int:
    """Return when a test's group is to begin."""
    if group_of(item.nodeid) in LONGEST:
        return 0
    return next(number for number, layer in enumerate(TURNS, start=1) if item.get_closest_marker(layer))


class Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist's types are not seen here
    """Gives each group to one process as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(trylast=True)  # each test has the marker of its layer
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the groups where several processes share the work; otherwise the order is pytest's."""
    if hasattr(config, "workerinput"):
        items.sort(key=turn_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Groups:
    """Share the work by groups."""
    return Groups(config, log)
