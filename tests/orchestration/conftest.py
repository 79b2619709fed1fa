"""A company with simulated vendors and a database of its own, one for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from synkro import db
from synkro.settings import settings
from tests.conftest import APP_PASSWORD
from tests.town import Town, open_town


@pytest.fixture(scope="module")
def town(make_database: Callable[[str | None], str], template: str) -> Iterator[Town]:
    """The module's first build reads the history, the later ones an increment."""
    url = make_database(template)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNKRO_DATABASE_URL", url)
        patch.setenv("SYNKRO_APP_DATABASE_URL", db.with_login(url, db.APP_ROLE, APP_PASSWORD))
        settings.cache_clear()
        with open_town("town") as made:
            yield made
        db.close()
    settings.cache_clear()


@pytest.fixture
def mended(town: Town) -> Iterator[Town]:
    town.mend()
    yield town
    town.mend()
