"""The one clock of business moments: windows, schedules, watermarks, deadlines of questions.

:func:`now` is the real time, moved by ``SYNKRO_CLOCK_OFFSET_SECONDS``: a test, or a demonstration of another day, moves the
whole product at once, every process of it too, because the environment is inherited. Production refuses an offset.

Leases, heartbeats, claims, sessions, attempts to sign in, pauses between tries and the stamps the database writes itself
(``created_at``, ``finished_at``) stay real: they measure how long something took. :func:`of` says when such a stamp was
on this clock; in SQL a business moment is ``now() + %(offset)s``, by the server's clock and :func:`offset`.
``tests/synkro/core/test_clock.py`` names the places that may ask for the real time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

from synkro.core.settings import settings


def offset() -> timedelta:
    """How far this clock is ahead of the real time; zero but for tests and demonstrations."""
    return timedelta(seconds=settings().clock_offset_seconds)


def now() -> datetime:
    """The moment the business is at, aware UTC."""
    return datetime.now(UTC) + offset()


@overload
def of(stamp: datetime) -> datetime: ...
@overload
def of(stamp: None) -> None: ...
def of(stamp: datetime | None) -> datetime | None:
    """When on this clock a stamp of the real time was written."""
    return None if stamp is None else stamp + offset()
