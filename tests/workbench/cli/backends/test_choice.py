"""Which backend a command works on: never two environments by accident."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends import choice
from workbench.cli.backends.docker import engine
from workbench.cli.settings import DEVCONTAINER, DOCKER, NATIVE
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.settings import Settings


@dataclass
class Pretended:
    """A backend of which only this is known."""

    settings: Settings
    mode: str
    alive: bool

    def runs(self) -> bool:
        """Return what the test says."""
        return self.alive


@pytest.fixture
def choose(load: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Choose with a `.env`, a daemon or none, and something that runs already or nothing."""

    def choose(
        mode: str | None = None, *, env: str = "", daemon: bool = True, running: str = "", starting: bool = False
    ) -> str:
        settings = load(env)
        monkeypatch.setattr(choice, "Settings", SimpleNamespace(load=lambda root: settings))
        monkeypatch.setattr(choice, "make", lambda settings, mode: Pretended(settings, mode, mode == running))
        monkeypatch.setattr(engine, "answers", lambda settings: daemon)
        found = choice.choose(argparse.Namespace(mode=mode), starting=starting)
        assert isinstance(found, Pretended)
        return found.mode

    monkeypatch.delenv("WORKBENCH_IMAGE", raising=False)
    return choose


@pytest.mark.parametrize("starting", [True, False])
def test_default(choose: Callable[..., str], starting: bool) -> None:
    """With nothing set, the backend is Docker where a daemon answers."""
    assert choose(starting=starting) == DOCKER
    assert choose(starting=starting, daemon=False) == NATIVE


@pytest.mark.parametrize("running", [NATIVE, DOCKER])
@pytest.mark.parametrize("starting", [True, False])
def test_running(choose: Callable[..., str], running: str, starting: bool) -> None:
    """The backend that runs already is kept."""
    assert choose(running=running, daemon=running == NATIVE, starting=starting) == running


@pytest.mark.parametrize("mode", [NATIVE, DOCKER])
def test_wanted(choose: Callable[..., str], mode: str) -> None:
    """WORKBENCH_MODE counts, and --mode counts more."""
    other = NATIVE if mode == DOCKER else DOCKER
    assert choose(env=f"WORKBENCH_MODE={mode}\n", daemon=mode == NATIVE, starting=True) == mode
    assert choose(mode, env=f"WORKBENCH_MODE={other}\n", starting=True) == mode


@pytest.mark.parametrize("given", ["option", "env"])
def test_second(choose: Callable[..., str], given: str) -> None:
    """A second environment is refused, and the first is named."""
    env = "WORKBENCH_MODE=docker\n" if given == "env" else ""
    with pytest.raises(UserError, match="already running, in native mode"):
        choose(DOCKER if given == "option" else None, env=env, running=NATIVE, starting=True)


def test_either(choose: Callable[..., str]) -> None:
    """--mode shows either backend, whichever runs."""
    assert choose(DOCKER, running=NATIVE) == DOCKER
    assert choose(NATIVE, running=DOCKER) == NATIVE


def test_changed(choose: Callable[..., str]) -> None:
    """A changed WORKBENCH_MODE does not hide what runs."""
    assert choose(env="WORKBENCH_MODE=docker\n", running=NATIVE) == NATIVE


def test_devcontainer(choose: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In the dev container there is one backend."""
    monkeypatch.setenv(choice.IMAGE, choice.DEVCONTAINER_IMAGE)
    assert choose() == DEVCONTAINER
    with pytest.raises(UserError, match="native mode is not available inside the dev container"):
        choose(NATIVE)


def test_invalid_mode(load: Callable[..., Settings]) -> None:
    """An invalid mode is named."""
    with pytest.raises(UserError, match="WORKBENCH_MODE is not a valid mode"):
        load("WORKBENCH_MODE=podman\n")


def test_mode_apart(load: Callable[..., Settings]) -> None:
    """Else another mode would be another environment, which `up` restarts."""
    settings = load("WORKBENCH_MODE=docker\n", WORKBENCH_MODE="native")
    assert settings.wanted_mode == "native"
    assert "WORKBENCH_MODE" not in settings.decided
