"""What is saved on the host is what runs in containers, also where no file events reach them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.cases import reload
from tests.cases.reload import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.containers.stack import Stack


@pytest.fixture
def project(front: Stack) -> Iterator[reload.Project]:
    yield from reload.project(front.checkout, front.api, front.dev)


class TestReload(reload.ReloadCases):
    """All of them, and one that is about mounts."""

    def test_polling(self, project: reload.Project) -> None:
        """Where no file events arrive the dag-processor polls, and `./dev status` says so.

        A file that is written by another name, outside of the mounted folder, sends no event into the container.
        """
        path = project.dag("linked", 1)
        until(project.tags, {"linked": ["1"]})
        elsewhere = project.root / "another_name.py"
        os.link(path, elsewhere)
        for value in (2, 3):
            elsewhere.write_text(path.read_text().replace(str(value - 1), str(value)))
            until(project.tags, {"linked": [str(value)]})
            until(project.noticed_by, "polling")
        elsewhere.unlink()
        project.dag("linked", 4)
        until(project.noticed_by, "events")
