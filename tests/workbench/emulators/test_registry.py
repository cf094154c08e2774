"""What an emulator on the first port consists of; docs/how-to/an-emulator.md is the guide."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import pytest

from workbench.emulators import services
from workbench.emulators.instance import DEFAULTS, ROOT
from workbench.emulators.registry import Context, Emulator
from workbench.emulators.slack_log import MessageLog

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import httpx

    from workbench.emulators import Connections

#: The other paths of the first port.
PAGES = ("/", "/slack/messages", "/objects/", "/healthz", "/control/faults", "/page.css")


@pytest.fixture(params=[module.name for module in iter_modules(services.__path__)])
def module(request: pytest.FixtureRequest) -> ModuleType:
    """One module of `services/`."""
    return import_module(f"{services.__name__}.{request.param}")


@pytest.fixture
def name(module: ModuleType) -> str:
    """Its name."""
    return module.__name__.rpartition(".")[2]


@pytest.fixture
def emulator(module: ModuleType, name: str) -> Emulator:
    """Its emulator."""
    found = getattr(module, "EMULATOR", None)
    assert isinstance(found, Emulator), f"workbench/emulators/services/{name}.py: add EMULATOR = Emulator(...)"
    return found


def test_connection(emulator: Emulator, name: str) -> None:
    """Its connection is in compose/emulators.env and leads to the first port."""
    variable = f"AIRFLOW_CONN_{emulator.connection.upper()}"
    lines = [line for line in DEFAULTS.read_text().splitlines() if line.startswith(f"{variable}=")]
    address = "http://${EMULATORS_HOST}:${EMULATORS_PORT}"
    fix = f"add a line {variable}= with {address} to compose/emulators.env"
    assert len(lines) == 1, f"the emulator {name} has no connection: {fix}"
    assert address in lines[0], f"the connection of the emulator {name} does not lead to it: {fix}"


def test_deviations(module: ModuleType, name: str) -> None:
    """Its docstring says how it deviates from the service."""
    assert "\nDeviations: " in str(module.__doc__), (
        f"workbench/emulators/services/{name}.py: add a paragraph 'Deviations: ...' to the module's docstring"
    )


def test_has_tests(name: str) -> None:
    """It has a test file of its name."""
    file = Path(__file__).with_name(f"test_{name}.py")
    assert file.exists(), f"the emulator {name} has no tests: create tests/workbench/emulators/{file.name}"


def test_prefix(emulator: Emulator, name: str, emulators: Connections, tmp_path: Path) -> None:
    """All of its routes begin with its prefix, and no page does, so that faults apply to the emulator alone."""
    messages = MessageLog(tmp_path / "messages.jsonl")
    paths = [route.path for route in emulator.routes(Context(tmp_path, emulators.keys, messages))]
    outside = [path for path in paths if not path.startswith(emulator.prefix)]
    assert paths, f"workbench/emulators/services/{name}.py: the emulator has no routes"
    assert not outside, f"workbench/emulators/services/{name}.py: begin these paths with {emulator.prefix}: {outside}"
    pages = [path for path in PAGES if path.startswith(emulator.prefix)]
    assert not pages, f"workbench/emulators/services/{name}.py: choose another prefix, it is that of the pages {pages}"


def test_faults(emulator: Emulator, name: str, page: httpx.Client, fault: Callable[..., Any]) -> None:
    """A fault that names it applies to its paths, with the status of the kind."""
    for kind, status in (("limit", 429), ("error", 500)):
        fault(service=name, kind=kind, times=1)
        found = page.post(f"{emulator.prefix}anything").status_code
        assert found == status, f"workbench/emulators/services/{name}.py: its failure answers {kind} with {found}"


def test_imports() -> None:
    """The emulators import nothing of the project but themselves and its error class."""
    folder = ROOT / "workbench/emulators"
    for path in folder.rglob("*.py"):
        imported = re.findall(
            r"^\s*(?:from|import) ((?:workbench|common|dags|tests)\b[\w.]*)", path.read_text(), re.MULTILINE
        )
        foreign = {each for each in imported if not re.match(r"workbench\.(emulators\b|errors$)", each)}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}: the emulators run in their own environment"
