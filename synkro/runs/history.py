"""The initial history: from which day on it is read, by which run, and how far back it stands.

In: a local date a person typed. Out: the usual run of the last closed business day, which reads the history first
(``job_runs.history_from``): the same queue, lease, progress, log, stop and retry. An interrupted one is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from synkro.core import windows
from synkro.core.errors import DataError
from synkro.database import db
from synkro.runs import queue, watermarks
from synkro.runs.watermarks import Source
from synkro.tenancy.runtime_config import RuntimeConfig

MAX_YEARS = 5


@dataclass(frozen=True)
class Depth:
    """A stream known to be whole between two moments, both aware UTC. ``since`` is None when nobody noted it."""

    source: Source
    stream: str
    since: datetime | None
    until: datetime


def bounds(config: RuntimeConfig, now: datetime) -> tuple[date, date]:
    """First and last local day the history may begin with: five years ago, the last closed business day."""
    last = windows.label_of(windows.last_closed(now, config.business_day_start, config.timezone), config.timezone)
    today = now.astimezone(windows.zone(config.timezone)).date()
    # the 29th of February has no namesake five years before
    first = today.replace(year=today.year - MAX_YEARS, day=min(today.day, 28) if today.month == 2 else today.day)
    return first, last


def start_of(text: str, config: RuntimeConfig, now: datetime) -> datetime:
    """The moment the history of this local day begins: its midnight or, if earlier, the start of its business day.

    Raises :class:`DataError` for what is no date, lies in the future or more than five years back.
    """
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        raise DataError(f"Поле «from»: «{text}» не похоже на дату. Укажите день так: 2026-03-02.") from None
    first, last = bounds(config, now)
    if day > last:
        raise DataError(
            f"Поле «from»: день {day} ещё не закончился. Укажите день не позже {last}, последнего закрытого."
        )
    if day < first:
        raise DataError(
            f"Поле «from»: день {day} слишком давно, история загружается за {MAX_YEARS} лет. "
            f"Укажите день не раньше {first}."
        )
    midnight = windows.instant(day, time(0), windows.zone(config.timezone))
    return min(midnight, windows.business_day_window(day, config.business_day_start, config.timezone).start)


def day_of(start: datetime, config: RuntimeConfig) -> date:
    """The local day whose history begins at ``start``: the inverse of :func:`start_of`."""
    local = start.astimezone(windows.zone(config.timezone)).date()
    return max(local, windows.business_date(start, config.business_day_start, config.timezone))


def request(
    connection: db.Connection,
    tenant_id: UUID,
    config: RuntimeConfig,
    text: str,
    now: datetime,
    *,
    requested_by: UUID | None = None,
) -> tuple[queue.Run, bool]:
    """Queue the run of the last closed day with the history from the day ``text`` on. Returns ``(run, was_made)``.

    Joins a run under way only if it reads as far back; else raises :class:`DataError` that says what to do.
    """
    return queue.request(
        connection,
        tenant_id,
        windows.last_closed(now, config.business_day_start, config.timezone),
        mode=config.mode,
        trigger_type="manual",
        report_type="daily",
        requested_by=requested_by,
        history_from=start_of(text, config, now),
    )


def depths(connection: db.Connection, tenant_id: UUID) -> list[Depth]:
    """How far back each stream reaches, by its watermark's ``from``."""
    return [
        Depth(mark.source, mark.stream, _since(mark), mark.complete_until)
        for mark in watermarks.all_of(connection, tenant_id)
    ]


def since(found: list[Depth], source: str, config: RuntimeConfig) -> date | None:
    """The local day from which on the whole source is there, its shortest stream deciding; None when none is noted."""
    known = [one.since for one in found if one.source == source and one.since is not None]
    return day_of(max(known), config) if known else None


def _since(mark: watermarks.Watermark) -> datetime | None:
    noted = mark.cursor.get("from")
    return datetime.fromisoformat(noted) if isinstance(noted, str) else None
