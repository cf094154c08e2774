"""Check a request against the DAG files, once: find the DAG, and read its date, conf and tasks."""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.debug import arguments
from workbench.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from workbench.debug.arguments import Request


@dataclass(frozen=True)
class ResolvedRun:
    """One run, of which everything exists.

    :ivar dag: Airflow's object.
    :ivar tasks: ids; none means all.
    :ivar by_assets: whether asset events trigger it: the run then has no logical date.
    """

    dag: Any
    logical_date: datetime
    conf: dict[str, Any]
    tasks: tuple[str, ...] = ()
    by_assets: bool = False


def resolve(request: Request, dag: Any = None) -> ResolvedRun:
    """Return the run that is asked for.

    :param dag: the DAG, where it is there already.
    :raises UserError: where the DAG does not exist or does not take what it is given.
    """
    dag = dag or find(request.dag_id, request.file)
    if request.events and request.date:
        raise UserError(
            "a date and --event cannot be combined",
            "a run that events trigger has no logical date",
            "remove one of the two",
            "date-and-event",
        )
    conf = {**request.conf, **_params(dag, request.params)}
    _check(dag, request.date, conf)
    by_assets = bool(request.events) and hasattr(dag.timetable, "asset_condition")
    return ResolvedRun(dag, request.date or first_date(dag), conf, tuple(_tasks(dag, request.tasks)), by_assets)


def find(dag_id: str | None, file: Path | None) -> Any:
    """Return the DAG.

    :raises UserError: where it does not exist, or there are several and nobody can be asked.
    """
    if file:
        return _choose(_parse([existing(file)]), file, dag_id)
    folder = _folder()
    assert dag_id  # noqa: S101 the command line asks for one or the other
    # Most often it is in a file that has the id in it, which saves the parsing of all others.
    likely = [path for path in sorted(folder.rglob("*.py")) if dag_id in path.read_text("utf-8", errors="replace")]
    for path in likely:
        if dag := _parse([path]).dags.get(dag_id):
            return dag
    bag = _parse([folder])
    if dag := bag.dags.get(dag_id):
        return dag
    raise _missing(f"DAG {dag_id} does not exist", bag, "DAGs in dags/:")


def existing(file: Path) -> Path:
    """Return the absolute path of a file.

    :raises UserError: where it does not exist.
    """
    whole = file.resolve()
    if not whole.is_file():
        raise UserError(
            f"file {file} does not exist",
            f"there is no file at {whole}",
            "correct the path after --file",
            "file-missing",
        )
    return whole


def choose(ids: Sequence[str], file: Path) -> str:
    """Return a file's only DAG, or ask which.

    :raises UserError: where it has several, and nobody can be asked.
    """
    if len(ids) == 1:
        return ids[0]
    if sys.stdin.isatty() and sys.stdout.isatty():
        return _ask(file, ids)
    raise UserError(
        f"{file.name} defines {len(ids)} DAGs",
        f"its DAGs are {', '.join(ids)}",
        f"choose one: ./dev run {ids[0]} --file {file}",
        "dag-ambiguous",
    )


def first_date(dag: Any) -> datetime:
    """Return the first date of a DAG that catches up, for which there may be a file; now for the others."""
    if dag.catchup and dag.start_date:
        first: datetime = dag.start_date
        return first
    return datetime.now(UTC)


def _folder() -> Path:
    from airflow.configuration import conf

    return Path(conf.get("core", "dags_folder")).expanduser()


def _parse(paths: Iterable[Path]) -> Any:
    """Parse files without the limit of 30 s, which a breakpoint in a DAG file's own lines would exceed."""
    from airflow.models.dagbag import DagBag

    os.environ["AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT"] = "0"
    bag = DagBag(os.devnull, include_examples=False)
    for path in paths:
        bag.collect_dags(str(path), include_examples=False, safe_mode=False)
    return bag


def _choose(bag: Any, file: Path, dag_id: str | None) -> Any:
    """Return the DAG that is named, or the only one, or ask."""
    ids = sorted(bag.dags)
    if dag_id is not None and dag_id not in ids:
        raise _missing(f"DAG {dag_id} does not exist in {file.name}", bag, f"DAGs in {file.name}:")
    if not ids:
        what, fix = f"{file.name} defines no DAG", "call the function under @dag at the end of the file"
        raise _missing(what, bag, "DAGs found:", fix)
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
        print(f"Type a number from 1 to {len(ids)}, or an id; Ctrl-C ends.")


def _missing(what: str, bag: Any, where: str, fix: str = "use one of these") -> UserError:
    """Return the error for a missing DAG; it names the files that do not import, or else the ids that exist."""
    errors = [_brief(file, error) for file, error in bag.import_errors.items()]
    there = f"{where} {', '.join(sorted(bag.dags)) or 'none'}"
    return UserError(what, "; ".join(errors) or there, "fix the file" if errors else fix, "dag-missing")


def _brief(file: str, error: str) -> str:
    """Return the innermost line of the file itself, and the error."""
    lines = error.strip().splitlines()
    own = [line.strip() for line in lines if f'"{file}"' in line]
    line = own[-1].removesuffix(", in <module>") if own else file
    return f"{line}: {lines[-1].strip()}"


def _params(dag: Any, texts: dict[str, str]) -> dict[str, Any]:
    """Read the params as the DAG declares them: of a text's possible meanings the first that fits."""
    found = {}
    for name, text in texts.items():
        if name not in dag.params:
            known = ", ".join(dag.params) or "none"
            raise UserError(
                f"{dag.dag_id} has no param {name}",
                f"its params: {known}",
                "use one of these with --param, or any JSON with --conf",
                "param-unknown",
            )
        param = dag.params.get_param(name)
        meanings = [meaning for meaning in (arguments.value(text), text) if _fits(param, meaning)]
        found[name] = meanings[0] if meanings else arguments.value(text)
    return found


def _fits(param: Any, value: Any) -> bool:
    from airflow.exceptions import ParamValidationError

    with contextlib.suppress(ParamValidationError):
        copy.deepcopy(param).resolve(value)
        return True
    return False


def _tasks(dag: Any, patterns: Sequence[str]) -> list[str]:
    """Return the ids that are asked for."""
    found: list[str] = []
    for pattern in patterns:
        ids = [task_id for task_id in dag.task_ids if fnmatch.fnmatchcase(task_id, pattern)]
        if not ids:
            raise UserError(
                f"{dag.dag_id} has no task {pattern}",
                f"its tasks: {', '.join(dag.task_ids)}",
                "use one of these",
                "task-unknown",
            )
        found += ids
    return found


def _check(dag: Any, logical_date: datetime | None, conf: dict[str, Any]) -> None:
    """Refuse what `dag.test()` would wait for without end, or fail to read."""
    from airflow.exceptions import ParamValidationError

    params = copy.deepcopy(dag.params)
    try:
        params.update(conf)
        params.validate()
    except ParamValidationError as error:
        raise UserError(
            f"the params are not valid for {dag.dag_id}",
            " ".join(str(error).split()),
            "correct the value of --param or --conf",
            "params-invalid",
        ) from None
    if logical_date and dag.end_date and logical_date > dag.end_date:
        raise UserError(
            f"{dag.dag_id} has no run on {logical_date:%Y-%m-%d}",
            f"its end date is {dag.end_date:%Y-%m-%d}",
            "choose an earlier date",
            "date-too-late",
        )
