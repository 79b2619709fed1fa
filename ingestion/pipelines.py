"""Read one source of one tenant into raw.

A reader takes a :class:`LoadContext` and returns a :class:`SourceResult`. A vendor that is down, that refuses or
that is set up wrongly is a result with status ``failed``, never an exception: the report is built from what is
there. Only an order to stop comes through (``Cancelled``, ``LeaseLost``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ingestion.amocrm import source as amocrm
from ingestion.extract.context import LoadContext, Session, SourceResult
from ingestion.extract.rows import RowStats
from ingestion.load.batches import Stream
from ingestion.load.streams import record, result
from ingestion.radist import source as radist
from ingestion.whatsapp import source as whatsapp
from synkro.connectors import integrations, registry
from synkro.core import clock
from synkro.core.errors import AuthenticationError, Cancelled, LeaseLost, SynkroError
from synkro.database import db
from synkro.runs.watermarks import Source, StreamLoad

__all__ = ["READERS", "RECENT_READERS", "LoadContext", "SourceResult"]

#: how each connector is read in an open session; a test compares it with the registry
_READS: dict[Source, Callable[[Session], SourceResult]] = {
    "amocrm": amocrm.read,
    "radist": radist.read,
    "whatsapp": whatsapp.read,
}


#: those whose recent dialogs can be read alone, beside the runs' own reading
_RECENT: dict[Source, Callable[[Session], SourceResult]] = {"radist": radist.read_recent}


def _read(reads: dict[Source, Callable[[Session], SourceResult]], source: Source, ctx: LoadContext) -> SourceResult:
    session = Session(ctx, source)
    try:
        outcome = reads[source](session)
    except (Cancelled, LeaseLost):
        raise
    except SynkroError as error:
        # an error that came before any stream began stands in the account of the first
        first = registry.get(source).streams[0].name
        load = StreamLoad(source, first, status="failed", started_at=session.started_at)
        stream = Stream(first, RowStats(load), lambda: iter(()))
        stream.fail(error)
        load.finished_at = clock.now()
        record(session, [stream])
        outcome = result(session, [stream], error)
    if isinstance(outcome.error, AuthenticationError):
        with db.as_service("ingestion refused") as connection:
            integrations.set_status(connection, ctx.tenant_id, source, "error", error=outcome.error.message)
    return outcome


READERS: dict[Source, Callable[[LoadContext], SourceResult]] = {
    source: partial(_read, _READS, source) for source in _READS
}
RECENT_READERS: dict[Source, Callable[[LoadContext], SourceResult]] = {
    source: partial(_read, _RECENT, source) for source in _RECENT
}
