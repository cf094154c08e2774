"""The dev container, opened by the devcontainer CLI as users of the host whose numbers editors meet."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cases.debugger import AttachCases, DebuggerCases, Live
from tests.containers import editor
from tests.containers.forwarder import forwarder
from workbench.cli.client import AirflowApi

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    from tests.containers.editor import Developer
    from tests.containers.harness import engine
    from tests.dap import Message

#: The first user of a machine and the second one; who is not root tests for themselves.
UIDS = [1000, 1001] if os.geteuid() == 0 else [os.geteuid()]
#: What does not depend on the number is tested once.
ONCE = pytest.mark.parametrize("developer", UIDS[:1], indirect=True)
LAST = pytest.mark.parametrize("developer", UIDS[-1:], indirect=True)
CODESPACE = {"CODESPACE_NAME": "fluffy-waffle-7", "GITHUB_CODESPACES_PORT_FORWARDING_DOMAIN": "app.github.example"}
ADDRESS = "https://fluffy-waffle-7-8080.app.github.example/"
#: What GitHub's forwarder adds to each request; the host that it asks for is the loopback.
FORWARDED = ["--header", f"X-Forwarded-Host: {ADDRESS[8:-1]}", "--header", "X-Forwarded-Proto: https"]
#: A start on a machine that is busy with something else.
HEALTH_SECONDS = 600
#: Milliseconds that a page has, on a machine that is busy with something else.
PATIENCE = 120_000
BADLY_WRITTEN = "import os\n\n\ndef total() -> int:\n    return sum(numbrs)\n"


@pytest.fixture(scope="session")
def tools(docker: engine.Engine) -> Iterator[Path]:
    """A folder of programs that every user can run."""
    with tempfile.TemporaryDirectory(prefix="editor-tools-") as folder:
        yield editor.install(docker, Path(folder))


@pytest.fixture(scope="module", params=UIDS)
def developer(request: pytest.FixtureRequest, docker: engine.Engine, tools: Path) -> Iterator[Developer]:
    """A user who has opened a fresh clone; the first one's components listen to debuggers."""
    with editor.developer(docker, tools, request.param) as found:
        if request.param == UIDS[0]:
            found.run("sh", "-c", "echo WORKBENCH_DEBUGPY=scheduler:5678,dag-processor:5678 >.env")
        try:
            told = found.up()
            assert told["outcome"] == "success"
            assert told["remoteUser"] == "vscode"
            found.stack.wait_until_healthy(HEALTH_SECONDS)
            yield found
        finally:
            found.close()


def status(developer: Developer) -> dict[str, Any]:
    """Ask inside how things are."""
    told: dict[str, Any] = json.loads(developer.try_inside("./dev", "status", "--json").stdout)
    return told


def test_owner(developer: Developer) -> None:
    """Files belong to the user, whichever side made them."""
    developer.inside("sh", "-c", "mkdir dags/made && echo inside >dags/made/inside.txt")
    inside = developer.checkout / "dags/made/inside.txt"
    assert (inside.stat().st_uid, inside.parent.stat().st_uid) == (developer.uid, developer.uid)
    developer.run("sh", "-c", "echo outside >>dags/made/inside.txt && echo outside >dags/made/outside.txt")
    developer.inside("sh", "-c", "echo inside >>dags/made/outside.txt")
    assert inside.read_text(encoding="utf-8") == "inside\noutside\n"
    assert (developer.checkout / "dags/made/outside.txt").read_text(encoding="utf-8") == "outside\ninside\n"
    developer.run("rm", "-r", "dags/made")


def test_git(developer: Developer) -> None:
    """Git trusts the checkout on both sides, and nothing is left in it."""
    developer.inside("./dev", "status")
    assert developer.inside("git", "status", "--porcelain") == ""
    assert developer.run("git", "status", "--porcelain") == ""
    theirs = {path for path in developer.checkout.rglob("*") if path.lstat().st_uid != developer.uid}
    # The mount points of the image's environments lie under folders that initialize makes as this user.
    assert theirs == set()


def test_run(developer: Developer) -> None:
    """A DAG runs by itself against the emulators."""
    assert "success" in developer.inside("./dev", "run", "ingest_agents")


def test_commit(developer: Developer) -> None:
    """A commit runs the hooks."""
    file = developer.checkout / "common/total.py"
    developer.run("sh", "-c", 'printf %s "$0" >common/total.py', BADLY_WRITTEN)
    developer.inside("git", "add", "common/total.py")
    refused = developer.try_inside("git", "commit", "--message=Total")
    assert refused.returncode != 0
    assert "common/total.py:" in refused.stdout + refused.stderr
    developer.inside("git", "restore", "--staged", "common/total.py")
    file.unlink()
    developer.inside("sh", "-c", "echo >>README.md && echo 'One more line.' >>README.md && git add README.md")
    developer.inside("git", "commit", "--message=One more line")
    assert developer.run("git", "log", "--format=%s", "-1") == "One more line\n"


def test_greeting(developer: Developer) -> None:
    """The first terminal greets, once."""
    terminal = ("script", "--quiet", "--return", "--command", "bash -i -c true", "/dev/null")
    developer.inside("sh", "-c", "rm -f ~/.welcomed")
    greeting = developer.inside(*terminal)
    assert [number for number in ("1.", "2.", "3.", "4.") if f"\n  {number} " in greeting] == ["1.", "2.", "3."]
    assert "http://localhost:8080/" in greeting
    assert developer.inside(*terminal).strip() == ""


def test_lifecycle_again(developer: Developer) -> None:
    """Lifecycle commands run again and again, and change nothing then."""
    before = containers(developer)
    told = [developer.up() for _ in range(2)]
    for _ in range(2):
        developer.devcontainer("run-user-commands")
        developer.run(".devcontainer/initialize")
        developer.inside(".devcontainer/post-create")
    assert told[0]["containerId"] == told[1]["containerId"]
    assert containers(developer) == before
    hook = (developer.checkout / ".git/hooks/pre-commit").read_text(encoding="utf-8")
    assert "INSTALL_PYTHON=.venv/bin/python\n" in hook


@ONCE
def test_front_door(developer: Developer) -> None:
    """`./dev` knows where it is."""
    told = status(developer)
    assert told["ok"]
    assert told["mode"] == "devcontainer"
    assert developer.inside("cat", told["ui"]["password_file"])
    assert {each["conn_id"] for each in told["connections"] if each["is_emulator"]} >= {
        "aws_default",
        "slack_api_default",
    }
    assert "Already up" in developer.inside("./dev", "up")
    for command in (["down"], ["reset", "--yes"], ["logs", "scheduler"]):
        refused = developer.try_inside("./dev", *command)
        assert refused.returncode == 1
        assert "on the host" in refused.stderr


@ONCE
def test_image_environment(developer: Developer) -> None:
    """The image's environment is used and none is made."""
    program = "import airflow, debugpy, sys; print(sys.prefix, airflow.__file__)"
    prefix, airflow = developer.inside(".venv/bin/python", "-c", program).split()
    assert prefix == "/workspaces/airflow-workbench/.venv"
    assert developer.inside("readlink", "--canonicalize", airflow).startswith("/home/airflow/.local/")
    developer.inside(".venv-emulators/bin/python", "-c", "import fakesnow")
    assert list((developer.checkout / ".venv").iterdir()) == []


@ONCE
def test_keys(developer: Developer) -> None:
    """The user can read the keys, and nobody can change them."""
    assert developer.inside("cat", "/opt/airflow/keys/admin_password")
    assert developer.try_inside("touch", "/opt/airflow/keys/x").returncode != 0


@ONCE
def test_unit_tests(developer: Developer) -> None:
    """The unit tests pass, though a terminal in here has the settings of a running Airflow."""
    assert " passed" in developer.inside("./dev", "test", "-m", "unit", "--", "-q", "-p", "no:cacheprovider")


@ONCE
def test_demo(developer: Developer) -> None:
    """The demo passes."""
    told = json.loads(developer.inside("./dev", "demo", "--json"))
    assert told["ok"]
    assert told["marts"]


@ONCE
def test_dead_workspace(developer: Developer) -> None:
    """A workspace that died is opened again with its ports: the servers listened in the dead container's network."""
    developer.stack.docker("kill", developer.stack.container("workspace")["Id"])
    developer.up("--expect-existing-container")
    developer.stack.wait_until_healthy(HEALTH_SECONDS)
    assert status(developer)["ok"]


@pytest.fixture(scope="module")
def environment(developer: Developer) -> Iterator[Live]:
    """Return the environment around the workspace, with a client that is logged in."""
    address = developer.address("workspace")
    password = developer.inside("cat", "/opt/airflow/keys/admin_password").strip()
    url = developer.inside("cat", "/opt/airflow/keys/database_url").strip().replace("+psycopg2", "")
    api = AirflowApi(f"http://{address}:8080", "admin", password)
    yield Live(
        place=developer.workspace,
        api=api,
        emulators_url=f"http://{address}:8090",
        database_url=url.replace("@postgres:", f"@{developer.address('postgres')}:"),
        logs="/opt/airflow/logs",
    )
    api._http.close()


@ONCE
class TestDebugger(DebuggerCases):
    """The editor's server is in the workspace, and the environment in the containers beside it."""


@ONCE
class TestAttach(AttachCases):
    """Components listen in their own containers; nothing is published."""

    @pytest.fixture
    def attach(self, environment: Live) -> Callable[[str], Message]:
        """The entry for this place, and what is chosen when it asks."""
        name = "Attach to a running component in the dev container"
        return lambda component: environment.place.entry(name, environment.file, {"component": component})


@pytest.fixture(scope="module")
def codespace(developer: Developer) -> Developer:
    """A user whose containers were made elsewhere, as in a prebuild, and are carried to a codespace."""
    developer.stack.compose(*editor.FILES, "stop")
    told = developer.up("--expect-existing-container", "--update-remote-user-uid-default=never", **CODESPACE)
    assert told["outcome"] == "success"
    developer.stack.wait_until_healthy(HEALTH_SECONDS)
    return developer


@LAST
def test_codespace_address(codespace: Developer) -> None:
    """A codespace from a prebuild has its own address, though Compose leaves containers as they are that it finds."""
    for service in ("api-server", "dag-processor", "scheduler", "triggerer"):
        environment = codespace.stack.container(service)["Config"]["Env"]
        assert f"AIRFLOW__API__BASE_URL={ADDRESS}" in environment, service


@LAST
def test_codespace_login(codespace: Developer, browser: Browser, tmp_path: Path) -> None:
    """In a codespace login and links stay behind its address, with cookies by TLS, and lead back to the page."""
    with forwarder(codespace.address("workspace"), 8080, tmp_path) as proxy:
        page = browser.new_context(proxy={"server": proxy}, ignore_https_errors=True).new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(f"{ADDRESS}dags/ingest_agents")
        page.locator("input[name=username]").fill("admin")
        page.locator("input[name=password]").fill(codespace.inside("cat", "/opt/airflow/keys/admin_password").strip())
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{ADDRESS}dags/ingest_agents*")
        page.get_by_text("ingest_agents").first.wait_for()
        page.context.close()


@LAST
def test_no_open_redirect(codespace: Developer) -> None:
    """A codespace's address is not an open redirect."""
    question = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", *FORWARDED)
    login = "http://localhost:8080/api/v2/auth/login?next="
    assert codespace.inside(*question, f"{login}{ADDRESS}dags") == "307"
    assert codespace.inside(*question, f"{login}https://elsewhere.example/") == "400"


def containers(developer: Developer) -> dict[str, str]:
    """Return each container of the environment and when it was started."""
    label = f"label=com.docker.compose.project={developer.environment['COMPOSE_PROJECT_NAME']}"
    names = developer.stack.docker("ps", "--all", "--quiet", "--filter", label).split()
    shown = "{{.Name}} {{.Id}} {{.State.StartedAt}}"
    return dict(
        line.split(" ", 1) for line in developer.stack.docker("inspect", "--format", shown, *names).splitlines()
    )
