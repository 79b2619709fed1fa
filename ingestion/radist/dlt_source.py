"""Radist.Online as a dlt source for any destination: the listing and the dialogs of the product without its database.

The listing has no filter, so it is walked whole by every run; messages are read of the dialogs it calls changed since the
newest message that dlt's state remembers (``dlt.sources.incremental``), and merged by dialog and id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dlt

from ingestion.extract.context import OVERLAP
from ingestion.radist import paginator
from ingestion.radist.mapping import chats_of, moment_of, updated_of, without_secrets
from synkro.connectors import accounts
from synkro.connectors.radist.declaration import RADIST
from synkro.http import ratelimit
from synkro.http.factory import ApiKeyAuth, VendorClient, client
from synkro.http.ratelimit import CompositeLimiter, LocalLimiter

#: read again on every run: messages are delivered late
_LAG = OVERLAP.total_seconds()


@dlt.source(name="radist", max_table_nesting=0)
def radist(
    company_id: str = dlt.config.value,
    api_key: str = dlt.secrets.value,
    host: str | None = None,
    base_url: str | None = None,
    history_from: datetime = datetime(2015, 1, 1, tzinfo=UTC),
) -> Sequence[Any]:
    """Channels, dialogs and messages of one company.

    ``host``: one of Radist's two. ``base_url``: a sandbox on this machine instead, ends in ``/v2``. ``history_from``: how far back
    a first run reads.
    """
    assert RADIST.api is not None and RADIST.api.listings_per_second is not None
    public = {"company_id": str(company_id), "host": host or "", "base_url": base_url or ""}
    account = accounts.account(RADIST.name, public, allow_local=bool(base_url))
    path = f"/companies/{accounts.number(RADIST.name, public)}/messaging"
    wide = LocalLimiter(account.per_second)
    listing = CompositeLimiter(LocalLimiter(ratelimit.pace(RADIST.api.listings_per_second)), wide)

    def opened() -> VendorClient:
        return client(
            RADIST.name,
            account.base_url,
            # the key stays inside: no header of ours is logged or shown
            auth=ApiKeyAuth(api_key),
            account_key=account.key,
            limiter=wide,
            allow_local=bool(base_url),
        )

    @dlt.resource(name="sources", write_disposition="merge", primary_key="connection_id", max_table_nesting=0)
    def sources() -> Iterator[list[Any]]:
        with opened() as http:
            found = http.get(f"{path}/chats/sources/", expect=list, limiter=listing) or []
        # connection parameters hold the messengers' own tokens
        yield [without_secrets(source) for source in found]

    @dlt.resource(name="chats", write_disposition="merge", primary_key="chat_id", max_table_nesting=0)
    def chats() -> Iterator[list[Any]]:
        with opened() as http:

            def get(to: str, params: Any, **options: Any) -> Any:
                return http.get(to, params, limiter=listing, **options)

            for contacts in paginator.contacts(get, f"{path}/chats/with_contacts/"):
                yield [chat for contact in contacts for chat in chats_of(contact)]

    @dlt.transformer(
        data_from=chats,
        name="messages",
        write_disposition="merge",
        primary_key=("chat_id", "message_id"),
        max_table_nesting=0,
    )
    def messages(
        page: list[Any],
        sent_at: dlt.sources.incremental[datetime] = dlt.sources.incremental(  # noqa: B008
            "sent_at", initial_value=history_from, lag=_LAG
        ),
    ) -> Iterator[list[Any]]:
        since = sent_at.start_value or history_from
        with opened() as http:
            for chat in page:
                updated = updated_of(chat)
                if updated is not None and updated < since:
                    continue
                number = chat["chat_id"]
                for rows in paginator.messages(http.get, f"{path}/messages/", number, since, lambda: None):
                    yield [
                        {**row, "chat_id": number, "sent_at": moment}
                        for row in rows
                        if (moment := moment_of(row)) is not None and moment >= since
                    ]

    return sources, chats, messages
