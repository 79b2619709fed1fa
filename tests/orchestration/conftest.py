"""A company with simulated vendors and a database of its own, one for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import entry_points_to
from tests.support.e2e import Environment, open_environment


@pytest.fixture(scope="module")
def e2e(make_database: Callable[[str | None], str], template: str) -> Iterator[Environment]:
    """The module's first build reads the history, the later ones an increment."""
    with entry_points_to(make_database(template)), open_environment("town") as made:
        yield made


@pytest.fixture
def mended(e2e: Environment) -> Iterator[Environment]:
    e2e.mend()
    yield e2e
    e2e.mend()
