"""Start the environment in Docker: check, build what is out of date, then wait while Compose starts the services."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workbench.cli import machine, services
from workbench.cli.backends.docker import client
from workbench.cli.backends.docker.client import compose, docker, environment, last_line
from workbench.cli.progress import Progress
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from rich.console import Console

    from workbench.cli.backends.docker.engine import Engine
    from workbench.cli.services import Service
    from workbench.cli.settings import Settings

    Observe = Callable[[], tuple[Service, ...]]

#: A cold start takes half a minute on a quiet machine; on one that also builds and tests, ten times that.
TIMEOUT_SECONDS = 600
POLL_SECONDS = 1.0
#: A service that ended so often since `up` began will not come up.
MOST_RESTARTS = 3
#: One service of each image.
BUILT = (services.INIT, services.EMULATORS)
LABEL = "airflow-workbench.inputs"
#: What the images are built from, but for the base image.
BUILT_FROM = (
    ".dockerignore",
    "compose/Dockerfile",
    *(f"requirements/{name}.txt" for name in ("uv", "airflow", "emulators")),
)
#: What initdb says of a volume that holds something, but no PG_VERSION; each database in it holds a copy of that file.
NO_CLUSTER = "exists but is not empty"
_DATA = "/var/lib/postgresql/data"
PUT_BACK = f"docker compose run --rm --no-deps --entrypoint=cp postgres {_DATA}/base/1/PG_VERSION {_DATA}/"


def prepare(settings: Settings, engine: Engine, console: Console) -> dict[str, Any]:
    """Check all that a start needs, before anything starts; then pull and build the images.

    :return: what Compose makes of the files.
    :raises UserError: for what is missing.
    """
    for check in (engine.check_version, engine.check_compose, engine.check_memory):
        check()
    rendered = render(settings)
    check_owner(settings, rendered["name"])
    check_ports(settings)
    build(settings, engine, rendered, console)
    return rendered


def render(settings: Settings) -> dict[str, Any]:
    """Return what Compose makes of the files."""
    found: dict[str, Any] = json.loads(docker(settings, *compose(settings, "config", "--format=json")).stdout)
    return found


def check_owner(settings: Settings, project: str) -> None:
    """Refuse to change the containers of another checkout, or of an editor.

    :raises UserError: naming their owner.
    """
    label = f"label={client.PROJECT}={project}"
    shown = f'{{{{.Label "{client.CHECKOUT}"}}}}'
    owners = docker(settings, "ps", "--all", "--filter", label, "--format", shown).stdout.split("\n")
    if others := sorted(set(filter(None, owners)) - {str(settings.root)}):
        raise UserError(
            f"another checkout's containers are named {project}",
            f"they belong to {others[0]}",
            "in .env, set COMPOSE_PROJECT_NAME to another name, and other ports",
            "project-taken",
        )
    if client.is_running(client.find(settings).get("workspace")):
        raise UserError(
            "the environment runs in a dev container",
            "the editor forwards its ports; a start on the host would break that",
            "use ./dev in the editor's terminal, or ./dev down first",
            "devcontainer-running",
        )


def check_ports(settings: Settings) -> str:
    """Return the ports in words, if they are free or published by this checkout already.

    :raises UserError: naming the process that has one.
    """
    published = set[int]().union(*map(client.published, client.find(settings).values()))
    return machine.check_ports({name: port for name, port in settings.ports.items() if port not in published})


def build(settings: Settings, engine: Engine, rendered: dict[str, Any], console: Console) -> None:
    """Build the images whose inputs have changed, and pull what is not built here; both show their own progress."""
    images = {name: rendered["services"][name]["image"] for name in (*BUILT, services.POSTGRES)}
    shown = f'{{{{.RepoTags}}}} {{{{index .Config.Labels "{LABEL}"}}}}'
    stale = [
        name
        for name, image in images.items()
        if (found := docker(settings, "image", "inspect", "--format", shown, image, check=False)).returncode
        or (name in BUILT and found.stdout.split()[-1] != inputs(settings))
    ]
    if not stale:
        return
    engine.check_disk()
    for verb, names in (("pull", [services.POSTGRES]), ("build", list(BUILT))):
        if wanted := [name for name in names if name in stale]:
            console.print(f"{'Pulling' if verb == 'pull' else 'Building'} {', '.join(images[name] for name in wanted)}")
            command = ["docker", *compose(settings, verb, *wanted)]
            labelled = environment(settings) | {"WORKBENCH_INPUTS": inputs(settings)}
            # Docker's own progress goes to standard error: standard output is for the result.
            if subprocess.run(command, cwd=settings.root, env=labelled, stdout=2, check=False).returncode:
                raise UserError(
                    f"Docker could not {verb} {', '.join(wanted)}",
                    "see the lines above; usually there is no network, a proxy is not set, or the disk is full",
                    f"docker {' '.join(compose(settings, verb, *wanted))} shows the error again",
                    "image-failed",
                )


def inputs(settings: Settings) -> str:
    """Return a digest of what the images are built from."""
    digest = hashlib.sha256()
    for name in BUILT_FROM:
        digest.update((settings.root / name).read_bytes())
    return digest.hexdigest()[:16]


def start_services(settings: Settings, rendered: dict[str, Any], observe: Observe, console: Console) -> bool:
    """Let Compose start or make again what it must, and wait until all are healthy.

    :param observe: returns the state of every service.
    :return: whether anything had to be done.
    """
    folder = settings.run / "docker"
    record, log = folder / "started", folder / "up.log"
    if up_to_date(settings, rendered, observe, record):
        return False
    folder.mkdir(mode=0o700, exist_ok=True)
    restarts = {name: container["RestartCount"] for name, container in client.find(settings).items()}
    command = ["docker", *compose(settings, "up", "--detach", "--no-build")]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=settings.root,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,  # Ctrl-C reaches this process, which then ends it
        )
    progress, deadline = Progress(console), time.monotonic() + TIMEOUT_SECONDS
    try:
        with progress:
            while True:
                now = observe()
                progress.show(now)
                status = process.poll()
                if status == 0 and all(service.ready for service in now):
                    record.write_text(fingerprint(settings, rendered), encoding="ascii")
                    return True
                fail_early(settings, now, restarts, log, status)
                if time.monotonic() > deadline:
                    late = next(service for service in now if not service.ready)
                    raise failure(settings, late, f"not healthy after {TIMEOUT_SECONDS} s (health: {late.health})")
                time.sleep(POLL_SECONDS)
    finally:
        process.terminate()
        process.wait()


def fingerprint(settings: Settings, rendered: dict[str, Any]) -> str:
    """Return a digest of the rendered files, the images by those names, and the containers."""
    names = sorted({service["image"] for service in rendered["services"].values()})
    images = docker(settings, "image", "inspect", "--format={{.Id}}", *names).stdout.split()
    found = {name: container["Id"] for name, container in client.find(settings).items()}
    return hashlib.sha256(json.dumps([rendered, images, found], sort_keys=True).encode()).hexdigest()


def up_to_date(settings: Settings, rendered: dict[str, Any], observe: Observe, record: Path) -> bool:
    """Return whether every service is ready and nothing has changed since `up` last said so.

    Compose itself would run the one-shot again at each `up`, which takes some seconds. Its own hashes are of no use
    here: `config --hash` leaves out what comes by env_file.
    """
    return (
        record.is_file()
        and all(service.ready for service in observe())
        and record.read_text(encoding="ascii") == fingerprint(settings, rendered)
    )


def fail_early(
    settings: Settings, now: Iterable[Service], restarts: dict[str, int], log: Path, status: int | None
) -> None:
    """Stop waiting as soon as Compose or a service has given up."""
    for service in now:
        if service.state == "failed" and status is not None:
            raise failure(settings, service, "it failed")
        if not service.ready and service.restarts - restarts.get(service.name, 0) >= MOST_RESTARTS:
            raise failure(settings, service, f"it exited {MOST_RESTARTS} times")
    if status:
        unhealthy = [service for service in now if service.health == "unhealthy"]
        if unhealthy:
            raise failure(settings, unhealthy[0], "it is unhealthy")
        why = last_line(log.read_text(encoding="utf-8", errors="replace")) or f"exit status {status}"
        raise UserError("Docker could not start the services", why, f"see {log}", "start-failed")


def failure(settings: Settings, service: Service, verdict: str) -> UserError:
    """Return why a service did not start, with the end of its own log."""
    end = "\n        ".join(lines(settings, service.name, 8) or ["it wrote no log"])
    if service.name == services.POSTGRES and NO_CLUSTER in end:
        return UserError(
            "the volume of postgres does not hold a complete database; it was not changed",
            "its file PG_VERSION is missing or empty",
            f"{PUT_BACK} restores the file, then ./dev up; or ./dev reset, which deletes all runs",
            "database-incomplete",
        )
    why, fix = f"{verdict}; the last lines of its log:\n        {end}", f"./dev logs {service.name}"
    return UserError(f"{service.name} did not start", why, fix, "service-failed")


def lines(settings: Settings, service: str, count: int) -> list[str] | None:
    """Return the last lines of a service's log; None where it has no container."""
    with suppress(KeyError):
        container = client.find(settings)[service]["Id"]
        result = docker(settings, "logs", "--timestamps", "--tail", str(count), container, check=False)
        # Both streams, in the order in which they were written.
        stamped = sorted((result.stdout + result.stderr).splitlines())
        return [line.partition(" ")[2] for line in stamped][-count or None :]
    return None
