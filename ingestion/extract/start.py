"""Where one read of one stream begins: at its watermark, at the beginning of history, or where an attempt was cut."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ingestion.extract.context import OVERLAP, LoadContext
from synkro.database import db
from synkro.runs import watermarks
from synkro.runs.watermarks import Backfill, Source, Watermark


@dataclass(frozen=True)
class Left:
    """What earlier runs of the tenant left of one source, by stream."""

    marks: dict[str, Watermark]
    backfills: dict[str, Backfill]

    def unfinished(self, stream: str, needed: datetime | None) -> Backfill | None:
        """The attempt to go on with: one that goes back at least as far as ``needed`` (None = to the beginning)."""
        found = self.backfills.get(stream)
        return found if found and found.reaches(needed) else None


@dataclass(frozen=True)
class Start:
    """``read_from``: how far back this read goes; ``reaches``: how far back the stream will ever have been read."""

    read_from: datetime
    reaches: datetime
    #: the attempt this read goes on with; ``read_from`` is its own then
    unfinished: Backfill | None


def left(ctx: LoadContext, source: Source) -> Left:
    with db.as_service("ingestion marks") as connection:
        marks = watermarks.all_of(connection, ctx.tenant_id)
        backfills = watermarks.backfills_of(connection, ctx.tenant_id)
    return Left(
        {watermark.stream: watermark for watermark in marks if watermark.source == source},
        {backfill.stream: backfill for backfill in backfills if backfill.source == source},
    )


def start(ctx: LoadContext, known: Left, stream: str) -> Start:
    """The beginning of a stream that is read from some moment on.

    Its watermark minus the overlap, unless the run asks for more than was ever read (a window before it, or a
    ``history_from`` before it): then the whole stretch again. The watermark's cursor keeps that moment as ``from``.
    """
    watermark = known.marks.get(stream)
    told = watermark.cursor.get("from") if watermark else None
    reached = datetime.fromisoformat(told) if told else None
    asked = min(ctx.window.start, ctx.history_from or ctx.window.start)
    if watermark and reached and reached <= asked:
        needed, reaches = watermark.complete_until - OVERLAP, reached
    else:
        needed = ctx.history_start
        reaches = min(needed, reached or needed)
    unfinished = known.unfinished(stream, needed)
    if unfinished and unfinished.read_from:
        needed = unfinished.read_from
    return Start(needed, min(needed, reaches), unfinished)
