"""The moment the tests are at: fixed, so that no test passes or fails by the calendar. From there the clock runs on.

``SYNKRO_TEST_NOW`` chooses another (ISO 8601, UTC without an offset), or ``wall``: the real time, for a run under
``faketime``. What it moves is told in ``synkro/core/clock.py``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from synkro.core import clock

#: a Wednesday afternoon in Almaty, midday in Europe, no clock change within the forty days of a company
MOMENT = "2026-03-18T11:20:00+00:00"
#: worked out once: workers of xdist and processes of the tests agree
_OFFSET = "SYNKRO_TEST_CLOCK_OFFSET"


def offset_seconds() -> str:
    """For ``SYNKRO_CLOCK_OFFSET_SECONDS``."""
    if _OFFSET not in os.environ:
        chosen = os.environ.get("SYNKRO_TEST_NOW", MOMENT)
        os.environ[_OFFSET] = "0" if chosen == "wall" else f"{_ahead(datetime.fromisoformat(chosen)):.3f}"
    return os.environ[_OFFSET]


def _ahead(moment: datetime) -> float:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - datetime.now(UTC)).total_seconds()


def standing_at(moment: str) -> dict[str, str]:
    """The environment of a test that chooses its own moment: its days must hold what it is about."""
    return {"SYNKRO_CLOCK_OFFSET_SECONDS": f"{_ahead(datetime.fromisoformat(moment)):.3f}"}


def stamped(moment: datetime) -> datetime:
    """A moment on the clock as the database, whose own stamps are real, would have written it."""
    return moment - clock.offset()
