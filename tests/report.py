"""What pytest prints here: a line that says what runs now, then minutes of each layer and the ten slowest tests."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LAYERS = ("unit", "emulators", "native", "containers")
#: Seconds between two lines where lines cannot be overwritten, as in a log of CI.
INTERVAL_SECONDS = 30
SLOWEST = 10


class Progress:
    """Follows the tests, in whatever process each of them runs.

    :ivar total: how many tests there are.
    :ivar running: test -> when it began.
    :ivar seconds: test -> what its set-up, call and teardown took together.
    """

    def __init__(self, terminal: TerminalReporter, *, is_parallel: bool) -> None:
        self.terminal = terminal
        self.began = self.shown_at = time.monotonic()
        self.total = self.done = self.failed = 0
        self.running: dict[str, float] = {}
        self.seconds: Counter[str] = Counter()
        self.layers: defaultdict[str, set[str]] = defaultdict(set)
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)
        if is_parallel:  # in the process that runs the tests no thread may be in the way of a fork
            self._ticker.start()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count them."""
        self.total = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Count them, where workers have found them."""
        self.total = len(ids)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Note a test's begin."""
        self.running[nodeid] = time.monotonic()
        self._show()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what one of a test's three phases took, and print a failure at once."""
        name = report.nodeid
        self.seconds[name] += report.duration
        self.layers[dict(report.user_properties).get("layer", LAYERS[0])].add(name)
        if report.failed:
            self.failed += 1
            self._clear()
            self.terminal.write_line(f"FAILED {name} ({report.when})", red=True)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Note a test's end."""
        self.running.pop(nodeid, None)
        self.done += 1
        self._show()

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """Print no letter: the line shows how many there were, and each failure is printed."""
        if report.failed:
            return ("failed", "", "FAILED") if report.when == "call" else ("error", "", "ERROR")
        return ("passed" if report.when == "call" else "", "", "") if report.passed else None

    def pytest_terminal_summary(self) -> None:
        """Print the minutes of each layer and the slowest tests."""
        self._ended.set()
        self._clear()
        write = self.terminal.write_line
        self.terminal.section("time")
        for layer in filter(self.layers.get, LAYERS):
            minutes = sum(self.seconds[name] for name in self.layers[layer]) / 60
            write(f"{layer:<12}{minutes:6.1f} min {len(self.layers[layer]):6} tests")
        write(f"{'from start':<12}{(time.monotonic() - self.began) / 60:6.1f} min")
        for name, seconds in self.seconds.most_common(SLOWEST):
            write(f"{seconds:16.1f} s   {name}")

    def _tick(self) -> None:
        while not self._ended.wait(1):
            self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if not self.terminal.isatty and now - self.shown_at < INTERVAL_SECONDS:
            return
        self.shown_at = now
        failed = f", {self.failed} failed" if self.failed else ""
        running = "  ".join(f"{name} {now - began:.0f} s" for name, began in tuple(self.running.items()))
        minutes, seconds = divmod(int(now - self.began), 60)
        line = f"{minutes:3}:{seconds:02}  {self.done} of {self.total} tests{failed}   {running}"
        if self.terminal.isatty:
            sys.stdout.write(f"\r\x1b[K{line[: os.get_terminal_size(sys.stdout.fileno()).columns - 1]}")
            sys.stdout.flush()
        else:
            self.terminal.write_line(line)

    def _clear(self) -> None:
        if self.terminal.isatty:
            sys.stdout.write("\r\x1b[K")


@pytest.hookimpl(trylast=True)  # each test has the marker of its layer
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write the layer into each test's reports, whose keywords are folders' names as well."""
    for item in items:
        layer = next((name for name in reversed(LAYERS) if item.get_closest_marker(name)), LAYERS[0])
        item.user_properties.append(("layer", layer))


@pytest.hookimpl(trylast=True)  # the terminal's reporter is there
def pytest_configure(config: pytest.Config) -> None:
    """Follow the tests, where somebody reads along; with `-v`, pytest prints each test itself."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None or hasattr(config, "workerinput") or config.get_verbosity() > 0:
        return
    terminal.showfspath = False
    is_parallel = bool(config.getoption("numprocesses", default=None))
    config.pluginmanager.register(Progress(terminal, is_parallel=is_parallel), "progress")
