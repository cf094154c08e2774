"""`python -m tests.containers.harness up|down|env`: Docker for a machine whose network has packages and no registry."""

from __future__ import annotations

import argparse
import shlex
import sys

from tests.containers.harness import engine

VARIABLES = ("PATH", "DOCKER_HOST", "DOCKER_CONFIG")


def main() -> int:
    """Run one of the verbs."""
    parser = argparse.ArgumentParser(prog="python -m tests.containers.harness", description=__doc__)
    parser.add_argument(
        "verb",
        choices=("up", "down", "env"),
        help="up: start an engine and make the base images; down: end it; env: print what a shell needs (eval it)",
    )
    verb = parser.parse_args().verb
    private = engine.Engine(engine.cache_folder())
    if verb == "up":
        if not engine.Engine(None).answers() and (why := engine.obstacle()):
            print(f"error: {why}", file=sys.stderr)
            return 1
        found, started = engine.up()
        what = "started" if started else "was running"
        print(f"Docker {found.docker('version', '--format', '{{.Server.Version}}')} {what}; base images are there.")
        if found.folder:
            print('Now: eval "$(python -m tests.containers.harness env)"')
    elif verb == "down":
        private.stop()
    else:
        for name in VARIABLES:
            print(f"export {name}={shlex.quote(private.environment[name])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
