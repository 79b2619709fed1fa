"""The streams of uploaded exports: dialogs and messages that no run has read yet, out of our own tables into raw.

Nobody is asked anything, so there is nothing to page through and nothing to go on with: what raw holds is taken out of the
upload, what it does not is read again by the next run. The watermark is the last line of the latest export, not the moment of
the run: what was written since then stands on a phone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingestion.extract.context import Session, SourceResult
from ingestion.extract.rows import Row, RowStats
from ingestion.load.batches import Stream
from ingestion.load.streams import run
from synkro.connectors.whatsapp import uploads
from synkro.connectors.whatsapp.check import NOTHING
from synkro.connectors.whatsapp.declaration import WHATSAPP
from synkro.core import clock
from synkro.core.errors import ConfigurationError
from synkro.database import db
from synkro.runs.watermarks import StreamLoad

#: rows in memory at once
_PAGE = 1000


def read(session: Session) -> SourceResult:
    """Uploaded dialogs and messages of the tenant into ``raw_whatsapp``."""
    tenant = session.ctx.tenant_id
    with db.as_service("ingestion whatsapp") as connection:
        until = uploads.complete_until(connection, tenant)
        since = uploads.first_message(connection, tenant)
    if until is None or since is None:
        raise ConfigurationError(NOTHING)
    session.set_clock([until])
    made = _Uploaded(session)
    chats, messages = (RowStats(StreamLoad(WHATSAPP.name, name)) for name in ("chats", "messages"))
    cursor = {"from": since.isoformat()}
    outcome = run(
        session,
        [
            Stream("chats", chats, lambda: made.chats(chats), cursor=cursor),
            Stream("messages", messages, lambda: made.messages(messages), cursor=cursor),
        ],
    )
    if outcome.status == "complete":
        with db.as_service("ingestion whatsapp") as connection:
            uploads.forget_read(connection, tenant)
    return outcome


class _Uploaded:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._tenant = session.ctx.tenant_id
        self._seen_at = clock.now()

    def chats(self, row_stats: RowStats) -> Iterator[list[Row]]:
        with db.as_service("ingestion whatsapp") as connection:
            found = uploads.waiting_chats(connection, self._tenant)
        yield row_stats.keep(found, self._chat, lambda row: row["id"])

    def messages(self, row_stats: RowStats) -> Iterator[list[Row]]:
        with db.as_service("ingestion whatsapp") as connection:
            for page in uploads.waiting_messages(connection, self._tenant, _PAGE):
                self._session.checkpoint()
                yield row_stats.keep(page, self._message, lambda row: (row["chat_id"], row["id"]))
                self._session.progress(row_stats.load.seen, None, f"{WHATSAPP.label}, сообщения: {row_stats.load.seen}")

    def _chat(self, item: dict[str, Any]) -> Row:
        key = {"id": item["id"], "contact_id": None, "connection_id": None, "updated_at": item["exported_until"]}
        return self._row(key, item)

    def _message(self, item: dict[str, Any]) -> Row:
        names = ("chat_id", "id", "sent_at", "direction", "message_type")
        return self._row({"connection_id": None, **{name: item[name] for name in names}}, item)

    def _row(self, key: Row, item: dict[str, Any]) -> Row:
        return {"tenant_id": str(self._tenant), **key, "payload": item["payload"], "seen_at": self._seen_at}
