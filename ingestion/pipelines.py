"""The door of this room: read one vendor of one tenant into raw.

``read_amocrm`` and ``read_radist`` take a :class:`LoadContext` and return a :class:`SourceResult`. A vendor
that is down, that refuses or that is set up wrongly is a result with status ``failed``, never an exception:
the report is built from what is there. Only an order to stop comes through (``Cancelled``, ``LeaseLost``).
"""

from __future__ import annotations

from collections.abc import Callable

from ingestion.amocrm import auth as amocrm
from ingestion.amocrm.source import Amocrm
from ingestion.extract.context import LoadContext, Session, SourceResult
from ingestion.extract.rows import Tally
from ingestion.load.batches import Stream
from ingestion.load.streams import record, result, run
from ingestion.radist import source as radist
from synkro.connectors import integrations
from synkro.core import clock
from synkro.core.errors import AuthenticationError, Cancelled, LeaseLost, SynkroError
from synkro.database import db
from synkro.runs.watermarks import Source, StreamLoad

__all__ = ["LoadContext", "SourceResult", "read_amocrm", "read_radist"]


def read_amocrm(ctx: LoadContext) -> SourceResult:
    """Deals, contacts, events, calls and dictionaries of the tenant's amoCRM into ``raw_amocrm``."""

    def read(session: Session) -> SourceResult:
        with amocrm.opened(session) as (http, account):
            return run(session, Amocrm(session, http, account).streams())

    return _guarded(ctx, "amocrm", "account", read)


def read_radist(ctx: LoadContext) -> SourceResult:
    """Sources, dialogs and messages of the tenant's Radist company into ``raw_radist``."""

    def read(session: Session) -> SourceResult:
        with radist.opened(session) as reader:
            return run(session, reader.streams())

    return _guarded(ctx, "radist", "sources", read)


def _guarded(ctx: LoadContext, source: Source, first: str, read: Callable[[Session], SourceResult]) -> SourceResult:
    """``first``: the stream whose account carries an error that came before any stream began."""
    session = Session(ctx, source)
    try:
        outcome = read(session)
    except (Cancelled, LeaseLost):
        raise
    except SynkroError as error:
        load = StreamLoad(source, first, status="failed", started_at=session.started_at)
        stream = Stream(first, Tally(load), lambda: iter(()))
        stream.fail(error)
        load.finished_at = clock.now()
        record(session, [stream])
        outcome = result(session, [stream], error)
    if isinstance(outcome.error, AuthenticationError):
        with db.as_service("ingestion refused") as connection:
            integrations.set_status(connection, ctx.tenant_id, source, "error", error=outcome.error.message)
    return outcome
