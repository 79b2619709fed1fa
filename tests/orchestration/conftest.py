"""A company with simulated vendors and a database of its own, one for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import doors_open
from tests.support.e2e import Town, open_town


@pytest.fixture(scope="module")
def town(make_database: Callable[[str | None], str], template: str) -> Iterator[Town]:
    """The module's first build reads the history, the later ones an increment."""
    with doors_open(make_database(template)), open_town("town") as made:
        yield made


@pytest.fixture
def mended(town: Town) -> Iterator[Town]:
    town.mend()
    yield town
    town.mend()
