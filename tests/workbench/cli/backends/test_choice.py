"""Which place a command is about: never two environments by accident."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from workbench.cli.backends import choice
from workbench.cli.backends.docker import engine
from workbench.cli.settings import DOCKER, NATIVE, WORKSPACE
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from workbench.cli.settings import Settings


@dataclass
class Pretended:
    """A place of which only this is known."""

    settings: Settings
    mode: str
    alive: bool

    def runs(self) -> bool:
        """As it was told."""
        return self.alive


@pytest.fixture
def choose(load: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Choose with a `.env`, a daemon or none, and something that runs already or nothing."""

    def choose(
        mode: str | None = None, *, env: str = "", daemon: bool = True, running: str = "", starting: bool = False
    ) -> str:
        settings = load(env)
        monkeypatch.setattr(choice, "Settings", SimpleNamespace(load=lambda: settings))
        monkeypatch.setattr(choice, "make", lambda settings, mode: Pretended(settings, mode, mode == running))
        monkeypatch.setattr(engine, "answers", lambda settings: daemon)
        found = choice.chosen(argparse.Namespace(mode=mode), starting=starting)
        assert isinstance(found, Pretended)
        return found.mode

    monkeypatch.delenv("WORKBENCH_IMAGE", raising=False)
    return choose


@pytest.mark.parametrize("starting", [True, False])
def test_with_nothing_said_it_is_docker_where_a_daemon_answers(choose: Callable[..., str], starting: bool) -> None:
    assert choose(starting=starting) == DOCKER
    assert choose(starting=starting, daemon=False) == NATIVE


@pytest.mark.parametrize("running", [NATIVE, DOCKER])
@pytest.mark.parametrize("starting", [True, False])
def test_what_runs_already_is_stuck_to(choose: Callable[..., str], running: str, starting: bool) -> None:
    assert choose(running=running, daemon=running == NATIVE, starting=starting) == running


@pytest.mark.parametrize("mode", [NATIVE, DOCKER])
def test_the_users_wish_counts_in_env_and_more_on_the_command_line(choose: Callable[..., str], mode: str) -> None:
    other = NATIVE if mode == DOCKER else DOCKER
    assert choose(env=f"WORKBENCH_MODE={mode}\n", daemon=mode == NATIVE, starting=True) == mode
    assert choose(mode, env=f"WORKBENCH_MODE={other}\n", starting=True) == mode


@pytest.mark.parametrize("wish", ["option", "env"])
def test_a_second_environment_is_refused_by_naming_the_first(choose: Callable[..., str], wish: str) -> None:
    env = "WORKBENCH_MODE=docker\n" if wish == "env" else ""
    with pytest.raises(UserError, match="runs already, in native mode"):
        choose(DOCKER if wish == "option" else None, env=env, running=NATIVE, starting=True)


def test_one_can_look_at_either_whichever_runs(choose: Callable[..., str]) -> None:
    assert choose(DOCKER, running=NATIVE) == DOCKER
    assert choose(NATIVE, running=DOCKER) == NATIVE


def test_a_wish_that_changed_meanwhile_does_not_hide_what_runs(choose: Callable[..., str]) -> None:
    assert choose(env="WORKBENCH_MODE=docker\n", running=NATIVE) == NATIVE


def test_in_the_dev_container_there_is_one_place(choose: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_IMAGE", WORKSPACE)
    assert choose() == WORKSPACE
    with pytest.raises(UserError, match="no native mode in here"):
        choose(NATIVE)


def test_a_mode_that_is_none_is_named(load: Callable[..., Settings]) -> None:
    with pytest.raises(UserError, match="WORKBENCH_MODE names no mode"):
        load("WORKBENCH_MODE=podman\n")


def test_the_mode_is_no_setting_of_airflows(load: Callable[..., Settings]) -> None:
    """Else another mode would be another environment, which `up` starts anew."""
    settings = load("WORKBENCH_MODE=docker\n", WORKBENCH_MODE="native")
    assert settings.wanted_mode == "native"
    assert "WORKBENCH_MODE" not in settings.decided
