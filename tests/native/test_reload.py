"""What is saved is what runs, natively."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cases import reload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.native.conftest import Stack

pytestmark = [pytest.mark.native, pytest.mark.timeout(600)]


@pytest.fixture
def project(stack: Stack) -> Iterator[reload.Project]:
    yield from reload.project(stack.root, stack.api, stack.dev)


class TestReload(reload.ReloadCases):
    """All of them."""
