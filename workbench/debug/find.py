"""Find the DAG that is to be run: by its id, or in a file that may define several."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def find(dag_id: str | None, file: Path | None) -> Any:
    """Return the DAG.

    :raises UserError: where there is none, or several and nobody to ask.
    """
    if file:
        return _choose(_parse([existing(file)]), file, dag_id)
    folder = _folder()
    assert dag_id  # noqa: S101 the command line asks for one or the other
    # Most often a file that has the id in it, which saves the parsing of all others.
    likely = [path for path in sorted(folder.rglob("*.py")) if dag_id in path.read_text("utf-8", errors="replace")]
    for path in likely:
        if dag := _parse([path]).dags.get(dag_id):
            return dag
    bag = _parse([folder])
    if dag := bag.dags.get(dag_id):
        return dag
    raise _missing(dag_id, bag, "dags/ has")


def existing(file: Path) -> Path:
    """Return the whole path of a file.

    :raises UserError: where there is none.
    """
    whole = file.resolve()
    if not whole.is_file():
        raise UserError(f"there is no file {file}", f"nothing is at {whole}", "look at the name after --file")
    return whole


def _folder() -> Path:
    from airflow.configuration import conf

    return Path(conf.get("core", "dags_folder")).expanduser()


def _parse(places: Iterable[Path]) -> Any:
    """Parse files without the limit of 30 s, which a breakpoint at a DAG's own lines would exceed."""
    from airflow.models.dagbag import DagBag

    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"
    bag = DagBag(os.devnull, include_examples=False)
    for place in places:
        bag.collect_dags(str(place), include_examples=False, safe_mode=False)
    return bag


def choose(ids: Sequence[str], file: Path) -> str:
    """Take a file's only DAG, or ask which.

    :raises UserError: where it has several, and there is nobody to ask.
    """
    if len(ids) == 1:
        return ids[0]
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _ask(file, ids)
    raise UserError(
        f"{file.name} defines {len(ids)} DAGs",
        f"they are {', '.join(ids)}",
        f"say which: ./dev run {ids[0]} --file {file}",
    )


def _choose(bag: Any, file: Path, dag_id: str | None) -> Any:
    """Take the one that is named, or the only one, or ask."""
    ids = sorted(bag.dags)
    if dag_id is not None and dag_id not in ids:
        raise _missing(dag_id, bag, f"{file.name} has")
    if not ids:
        raise _missing(f"in {file.name}", bag, "it defines", "a function under @dag makes one when it is called")
    return bag.dags[dag_id or choose(ids, file)]


def _ask(file: Path, ids: Sequence[str]) -> str:
    print(f"{file.name} defines {len(ids)} DAGs:")
    for number, dag_id in enumerate(ids, start=1):
        print(f"  {number}  {dag_id}")
    while True:
        answer = input("Which one? ").strip()
        if answer in ids:
            return answer
        if answer.isdigit() and 1 <= int(answer) <= len(ids):
            return ids[int(answer) - 1]
        print(f"A number from 1 to {len(ids)}, or an id; Ctrl-C ends.")


def _missing(what: str, bag: Any, where: str, fix: str = "./dev run with one of these") -> UserError:
    """Say that it is not there, naming the files that do not import and the ids that exist."""
    errors = [_brief(file, error) for file, error in bag.import_errors.items()]
    there = f"{where} {', '.join(sorted(bag.dags)) or 'none'}"
    return UserError(
        f"there is no DAG {what}",
        "; ".join(errors) or there,
        "fix the file" if errors else fix,
    )


def _brief(file: str, error: str) -> str:
    """Return the innermost line of the file itself, and the error."""
    lines = error.strip().splitlines()
    own = [line.strip() for line in lines if f'"{file}"' in line]
    place = own[-1].removesuffix(", in <module>") if own else file
    return f"{place}: {lines[-1].strip()}"
