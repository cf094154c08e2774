"""What is saved is what runs: every kind of edit ends in the state that the files describe."""

from __future__ import annotations

import json
import os
import shutil
import textwrap
import time
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import CompletedProcess

    from workbench.cli.client import AirflowApi

PATIENCE = 60
DAG = """
from airflow.sdk import dag, task
{imports}

@dag(dag_id="{name}", schedule=None, tags={tags})
def made():
    @task
    def tell():
        return "{value}"
    tell()

made()
"""
WAITING = """
from airflow.sdk import BaseOperator, dag
from common.{name} import Soon

class Wait(BaseOperator):
    def execute(self, context):
        self.defer(trigger=Soon(), method_name="resume")

    def resume(self, context, event):
        return event

@dag(dag_id="{name}_waits", schedule=None, tags=["waits"])
def made():
    Wait(task_id="wait")

made()
"""
TRIGGER = """
from airflow.triggers.base import BaseTrigger, TriggerEvent

class Soon(BaseTrigger):
    def serialize(self):
        return "common.{name}.Soon", {{}}

    async def run(self):
        yield TriggerEvent("{value}")
"""
BROKEN = "from airflow.sdk import dag\nvalue = (\n"
PARTIAL = "from functools import partial; dag = partial(dag, {})"
NO_STRING = f"class It:\n  def __str__(self): raise SystemExit(4)\n{PARTIAL.format('default_args={1: It()}')}"
#: What a DAG file does in its third line -> the line that its import error names, and words of its last one.
DEADLY: dict[str, tuple[str, int | None, str]] = {
    "refuses": ("import airflow.providers.standard.operators.hitl", 3, "Human in the loop functionality needs Airflow"),
    "lacks": ("import airflow.providers.amazon.aws.transfers.azure_blob_to_s3", 3, "No module named 'airflow.provider"),
    "exits": ("import os; os._exit(3)", 3, "exited with status 3 while it was parsed"),
    "raises_exit": ("raise SystemExit(3)", 3, "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", 3, "KeyboardInterrupt"),
    "crashes": ("import ctypes; ctypes.string_at(0)", 3, "crashed while it was parsed: segmentation fault"),
    "killed": ("import os; os.kill(os.getpid(), 9)", None, "killed by SIGKILL while it was parsed"),
    "closes": ("import os; os.closerange(0, 999)", None, "while it was parsed"),
    "garbles": (r"import os; os.write(0, b'\0\0\0\4none')", None, ""),
    "no_text": (r"raise ValueError('\udcff\0')", 3, "surrogates not allowed"),
    "no_string": (NO_STRING, 4, "SystemExit: 4"),
    "not_stored": (
        PARTIAL.format(r"description='\0'"),
        None,
        "Airflow's database does not accept the DAGs of this file",
    ),
}
#: What it does there -> and has its DAG all the same.
HARMLESS = {
    "odd_level": "import logging; logging.getLogger().log(35, 'Airflow has no such level')",
    "prints": "import sys; [sys.stdout.write('x' * 2**20) for _ in range(256)]",
    "leaves": "import subprocess; subprocess.Popen(['sleep', '20'])",
}


@dataclass
class Project:
    """Files of these tests in a running environment, and what Airflow makes of them.

    :param root: the checkout on this machine; a container has parts of it, elsewhere and read-only.
    :param api: a logged-in client.
    :param dev: runs `./dev` with these words.
    :ivar name: of the folder of DAG files, of the module in `common`, and the beginning of all `dag_id`s.
    """

    root: Path
    api: AirflowApi
    dev: Callable[..., CompletedProcess[str]]
    name: str = "reload_test"

    @property
    def dags(self) -> Path:
        """The folder of DAG files."""
        return self.root / "dags" / self.name

    @property
    def module(self) -> Path:
        """A module that DAG files may import."""
        return self.root / "common" / f"{self.name}.py"

    @property
    def outside(self) -> Path:
        """A file that is neither with the DAG files nor in `common`; containers have this folder too."""
        return self.root / "compose" / f"{self.name}.txt"

    def dag(self, name: str, value: Any, imports: str = "", tags: str | None = None, file: str = "") -> Path:
        """Save a DAG file whose tag, source and task tell a value."""
        path = self.dags / f"{file or name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DAG.format(name=f"{self.name}_{name}", value=value, imports=imports, tags=tags or [f"{value}"]))
        return path

    def tags(self) -> dict[str, list[str]]:
        """Return the DAGs on the list, with their tags."""
        found = self.api.get("/dags", dag_id_pattern=self.name, limit=100)["dags"]
        prefix = f"{self.name}_"
        return {dag["dag_id"].removeprefix(prefix): sorted(tag["name"] for tag in dag["tags"]) for dag in found}

    def errors(self) -> set[str]:
        """Return the names of the files with import errors."""
        found = self.api.get("/importErrors", limit=100)["import_errors"]
        return {each["filename"].rsplit("/", 1)[1] for each in found if f"/{self.name}" in each["filename"]}

    def source(self, name: str) -> str:
        """Return a DAG's source as the UI shows it."""
        content: str = self.api.get(f"/dagSources/{self.name}_{name}")["content"]
        return content

    def details(self, name: str) -> dict[str, Any]:
        """Return what the API says of one DAG, from its own copy."""
        found: dict[str, Any] = self.api.get(f"/dags/{self.name}_{name}/details")
        return found

    def run(self, name: str) -> dict[str, str]:
        """Trigger a run, wait for its end, delete it, and give the tasks' results."""
        dag_id = f"{self.name}_{name}"
        self.api.patch(f"/dags/{dag_id}", {"is_paused": False})
        runs = f"/dags/{dag_id}/dagRuns"
        run = f"{runs}/{self.api.post(runs, {'logical_date': None})['dag_run_id']}"
        until(lambda: self.api.get(run)["state"], "success")
        tasks = self.api.get(f"{run}/taskInstances")["task_instances"]
        results = {
            task["task_id"]: self.api.get(f"{run}/taskInstances/{task['task_id']}/xcomEntries/return_value")["value"]
            for task in tasks
        }
        self.api._call("DELETE", run)
        return results

    def status(self) -> dict[str, Any]:
        """Return what `./dev status` says."""
        found: dict[str, Any] = json.loads(self.dev("status", "--json").stdout)
        return found

    def restarts(self) -> tuple[int, str]:
        """Return how often the dag-processor was restarted, and its state."""
        (found,) = (each for each in self.status()["services"] if each["name"] == "dag-processor")
        return found["restarts"], found["state"]

    def noticed_by(self) -> str:
        """Return how edits are noticed."""
        found: str = self.status()["parsing"]["edits_noticed_by"]
        return found

    def clear(self) -> None:
        """Delete all files, and wait until Airflow has noticed."""
        shutil.rmtree(self.dags, ignore_errors=True)
        for path in (self.module, self.outside):
            path.unlink(missing_ok=True)
        until(lambda: (self.tags(), self.errors()), ({}, set()))


def until(look: Callable[[], Any], expected: Any) -> None:
    """Wait until a look gives what is expected."""
    deadline = time.monotonic() + PATIENCE
    while (found := look()) != expected:
        if time.monotonic() > deadline:
            assert found == expected
        time.sleep(0.05)


def project(root: Path, api: AirflowApi, dev: Callable[..., CompletedProcess[str]]) -> Iterator[Project]:
    """Return a fixture's project, and leave nothing of it behind."""
    found = Project(root, api, dev)
    yield found
    found.clear()


FILES = ("one", "two", "three")
VALUES = st.integers(0, 99) | st.just("broken")
EDITS = st.lists(
    st.tuples(st.just("save"), st.sampled_from(FILES), VALUES)
    | st.tuples(st.just("save module"), st.just("module"), VALUES)
    | st.tuples(st.just("delete"), st.sampled_from(FILES), st.none())
    | st.tuples(st.just("rename"), st.sampled_from(FILES), st.sampled_from(FILES)),
    min_size=1,
    max_size=12,
)


class ReloadCases:
    """For a place that gives the fixture `project`."""

    def test_edits(self, project: Project) -> None:
        """An edit shows in source, list and details.

        Also saves of the same size, within the same second, while the former one is parsed.
        """
        for value in range(10, 16):
            path = project.dag("edited", value)
            if value % 2:
                continue
            until(project.tags, {"edited": [str(value)]})
            until(lambda: project.source("edited"), path.read_text())
            until(lambda: [tag["name"] for tag in project.details("edited")["tags"]], [str(value)])
        until(project.tags, {"edited": ["15"]})
        until(lambda: project.source("edited"), path.read_text())

    @pytest.mark.parametrize("edited", ["file", "module"])
    def test_edit_during_parse(self, project: Project, edited: str) -> None:
        """An edit while the file is parsed is not lost.

        Stock forgets it: the file is older than the end of the parse that did not see it.
        """
        # In containers a parse cannot write where this test could see it; but it can wait for a named pipe's other end.
        pipe = project.outside
        os.mkfifo(pipe)
        project.module.write_text("VALUE = 'old'")
        imports = f"""
            import time
            from pathlib import Path
            from common.{project.name} import VALUE
            pipe = Path(__file__).parents[2] / "compose/{pipe.name}"
            if pipe.exists():
                pipe.read_text()
                time.sleep(1)  # the edit is noticed meanwhile
        """
        project.dag("slow", "old", textwrap.dedent(imports), "['old', VALUE]")
        with pipe.open("w"):  # this waits for the parse, and the parse for the end of this block
            pipe.unlink()
            if edited == "file":
                project.dag("slow", "new")
            else:
                project.module.write_text("VALUE = 'new'")
        until(project.tags, {"slow": ["new"] if edited == "file" else ["new", "old"]})

    def test_come_and_go(self, project: Project) -> None:
        """Files and DAGs come and go as they are saved, renamed and deleted."""
        first = project.dag("first", 1)
        second = project.dag("second", 2, file="folder/file")
        until(project.tags, {"first": ["1"], "second": ["2"]})
        second.rename(project.dags / "folder/renamed.py")
        project.dag("third", 3, file="first")  # the file now has another DAG
        until(project.tags, {"second": ["2"], "third": ["3"]})
        first.write_text("# nothing is left\n")
        until(project.tags, {"second": ["2"]})
        project.dag("first", 4)
        until(project.tags, {"first": ["4"], "second": ["2"]})
        shutil.rmtree(project.dags / "folder")
        until(project.tags, {"first": ["4"]})

    def test_what_it_reads(self, project: Project) -> None:
        """What a DAG file reads counts as the file: a module, an SQL file, a file elsewhere, a folder of files."""
        sql, folder = project.dags / "query.sql", project.dags / "configs"
        folder.mkdir(parents=True)
        project.module.write_text("VALUE = 'module 1'")
        sql.write_text("SELECT 1")
        project.outside.write_text("outside 1")
        imports = f"""
            from pathlib import Path
            from common.{project.name} import VALUE
            here = Path(__file__).parent
            read = [VALUE, (here / "query.sql").read_text()]
            read += [(here.parents[1] / "compose/{project.outside.name}").read_text()]
            read += [file.stem for file in (here / "configs").glob("*.yaml")]
        """
        project.dag("reader", "reader", textwrap.dedent(imports), "read")
        project.dag("bystander", "bystander")
        until(project.tags, {"reader": ["SELECT 1", "module 1", "outside 1"], "bystander": ["bystander"]})
        parsed = project.details("bystander")["last_parsed_time"]
        for path, text, tags in (
            (project.module, "VALUE = 'module 2'", ["SELECT 1", "module 2", "outside 1"]),
            (sql, "SELECT 2", ["SELECT 2", "module 2", "outside 1"]),
            (project.outside, "outside 2", ["SELECT 2", "module 2", "outside 2"]),
            (folder / "new.yaml", "", ["SELECT 2", "module 2", "new", "outside 2"]),
        ):
            path.write_text(text)
            until(lambda: project.tags()["reader"], tags)
        assert project.details("bystander")["last_parsed_time"] == parsed

    def test_syntax_error(self, project: Project) -> None:
        """A syntax error shows by file and line in `./dev status`, and goes when it is fixed.

        In a DAG file and in a module; also where the fixed file has no DAG.
        """
        project.module.write_text("VALUE = 1")
        project.dag("user", 1, f"import common.{project.name}")
        path = project.dag("other", 1)
        until(project.tags, {"user": ["1"], "other": ["1"]})
        project.module.write_text("VALUE = 1\nVALUE = (\n")
        until(project.errors, {"user.py"})
        until(project.tags, {"other": ["1"]})
        broken = [error for error in project.status()["import_errors"] if project.name in error["file"]]
        assert [(error["file"], error["line"]) for error in broken] == [(f"common/{project.name}.py", 2)]
        path.write_text(BROKEN)
        until(project.errors, {"user.py", "other.py"})
        project.module.write_text("VALUE = 2")
        until(project.tags, {"user": ["1"]})
        path.write_text("# Fixed: a file for airflow that has no dag.\n")
        until(project.errors, set())

    def test_deadly_file(self, project: Project) -> None:
        """Whatever a DAG file does at import, it has an error with reason and line, and the others are parsed.

        The error goes when the file is fixed. The dag-processor is not restarted.
        """
        before = project.restarts()
        for name, (does, _, _) in DEADLY.items():
            project.dag(name, 1, does)
        for name, does in HARMLESS.items():
            project.dag(name, 1, does)
        until(project.errors, {f"{name}.py" for name in DEADLY})
        until(project.tags, {name: ["1"] for name in HARMLESS})
        shown = {Path(error["file"]).stem: error for error in project.status()["import_errors"]}
        for name, (_, line, words) in DEADLY.items():
            assert words in shown[name]["message"], shown[name]
            assert shown[name]["line"] == line, shown[name]
        for name in DEADLY:
            project.dag(name, 2)
        until(project.errors, set())
        until(project.tags, {name: ["2" if name in DEADLY else "1"] for name in DEADLY | HARMLESS})
        assert project.restarts() == before

    def test_unlistable(self, project: Project) -> None:
        """What cannot be listed has an error and costs nothing else.

        A link to its own folder, a name and an `.airflowignore` that are not text, files of other kinds.
        """
        before = project.restarts()
        seen = project.dag("seen", 1)
        long = project.dag("long", 1, file="x" * 252)
        until(project.tags, {"seen": ["1"]})
        os.mkfifo(project.dags / "pipe.py")
        (project.dags / "folder.py").mkdir()
        (project.dags / "nowhere.py").symlink_to("nowhere.py")
        packed = project.dags / "packed.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("inside.py", seen.read_text())
        packed.write_bytes(packed.read_bytes().replace(b"airflow", b"another", 1))  # whose checksum is another one
        name = project.dags / os.fsdecode(b"no_text\xff.py")
        name.write_text(seen.read_text())
        until(project.errors, {long.name, r"no_text\udcff.py", packed.name})
        for path in (name, long, packed):
            path.unlink()
        circle, ignore = project.dags / "circle", project.dags / ".airflowignore"
        for value, path in enumerate((circle, ignore), 2):
            if path == circle:
                path.symlink_to(".")
            else:
                path.write_bytes(b"\xff")
            project.dag("seen", value)
            (project.dags / f"none_{value}.py").touch()  # a new file has the folder listed
            until(lambda: [error["file"] for error in project.status()["import_errors"]], ["dags"])
            until(project.tags, {"seen": [str(value)]})
            path.unlink()
            until(lambda: project.status()["import_errors"], [])
        assert project.noticed_by() == "events"
        assert project.restarts() == before

    def test_missing_module(self, project: Project) -> None:
        """A file that imports a missing module is fixed by that module's arrival."""
        project.dag("waiting", 1, f"import common.{project.name}")
        until(project.errors, {"waiting.py"})
        project.module.write_text("VALUE = 1")
        until(project.tags, {"waiting": ["1"]})
        until(project.errors, set())

    def test_run(self, project: Project) -> None:
        """A run executes what was saved last.

        Its code, that of `common`, and the tasks that the scheduler knows; also where no version comes to be.
        """
        project.module.write_text("VALUE = 'a'")
        imports = f"from common.{project.name} import VALUE"
        project.dag("runs", '" + VALUE + "1', imports, "['1']")
        until(project.tags, {"runs": ["1"]})
        assert project.run("runs") == {"tell": "a1"}
        project.module.write_text("VALUE = 'b'")
        path = project.dag("runs", '" + VALUE + "2', imports, "['2']")
        path.write_text(path.read_text().replace("    tell()\n", "    tell() >> tell.override(task_id='again')()\n"))
        until(project.tags, {"runs": ["2"]})
        assert project.run("runs") == {"tell": "b2", "again": "b2"}

    def test_trigger(self, project: Project) -> None:
        """A trigger is the one that was saved last, also after saves of the same size that the triggerer had loaded."""
        project.dags.mkdir()
        project.module.write_text(TRIGGER.format(name=project.name, value="a"))
        (project.dags / "waits.py").write_text(WAITING.format(name=project.name))
        until(project.tags, {"waits": ["waits"]})
        for value in ("a", "b", "c"):
            project.module.write_text(TRIGGER.format(name=project.name, value=value))
            assert project.run("waits") == {"wait": value}

    def test_status(self, project: Project) -> None:
        """`./dev status` says when each DAG was parsed and how edits are noticed."""
        project.dag("parsed", 1)
        until(project.tags, {"parsed": ["1"]})
        parsed = {dag["dag_id"]: dag for dag in project.status()["parsing"]["dags"]}[f"{project.name}_parsed"]
        assert parsed["file"] == f"dags/{project.name}/parsed.py"
        assert abs(datetime.fromisoformat(parsed["parsed_at"]) - datetime.now(UTC)) < timedelta(minutes=5)
        assert project.noticed_by() == "events"
        assert "last parsed" in project.dev("status").stdout

    @settings(
        max_examples=20,
        deadline=None,
        phases=[Phase.generate],  # a failure says its edits; shrinking them would take a stack for an hour
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(edits=EDITS)
    def test_any_edits(self, project: Project, edits: list[tuple[str, str, Any]]) -> None:
        """Any sequence of edits ends in the state of the last.

        DAGs on the list, their tags and sources, and import errors are those of the files as they are now.
        """
        project.clear()
        project.module.write_text("VALUE = 0")
        files: dict[str, Any] = {}
        module: Any = 0

        def save(name: str, value: Any) -> None:
            files[name] = value
            path = project.dag(name, value, f"from common.{project.name} import VALUE", f"['{value} ' + str(VALUE)]")
            if value == "broken":
                path.write_text(BROKEN)

        for edit, name, value in edits:
            if edit == "save":
                save(name, value)
            elif edit == "save module":
                module = value
                project.module.write_text("VALUE = (" if value == "broken" else f"VALUE = {value}")
            elif name in files:
                (project.dags / f"{name}.py").unlink()
                content = files.pop(name)
                if edit == "rename":
                    save(value, content)
        sound = {} if module == "broken" else {name: value for name, value in files.items() if value != "broken"}
        until(project.tags, {name: [f"{value} {module}"] for name, value in sound.items()})
        until(project.errors, {f"{name}.py" for name in files.keys() - sound.keys()})
        for name in sound:
            assert project.source(name) == (project.dags / f"{name}.py").read_text()
