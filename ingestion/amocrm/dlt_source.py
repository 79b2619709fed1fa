"""amoCRM as a dlt source for any destination: the walks of the product without its database.

Each resource remembers in dlt's own state how far it has read (``dlt.sources.incremental``); the next run starts there, the
second of the last row included, and merges by id. Requests are GET only, at the account's pace, a 429 stops all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import dlt

from ingestion.amocrm import paginator
from ingestion.amocrm.source import CALLS, DICTIONARIES, EVENTS
from ingestion.extract.context import OVERLAP
from synkro.connectors.amocrm.declaration import AMOCRM
from synkro.core import clock
from synkro.http import allowlist
from synkro.http.factory import BearerAuth, VendorClient, client

#: read again on every run: amoCRM's time stamps are whole seconds, and it writes late
_LAG = OVERLAP.total_seconds()
_MERGED: Any = {"write_disposition": "merge", "primary_key": "id", "max_table_nesting": 0}


@dlt.source(name="amocrm", max_table_nesting=0)
def amocrm(
    subdomain: str = dlt.config.value,
    access_token: str = dlt.secrets.value,
    zone: str = "amocrm.ru",
    base_url: str | None = None,
    history_from: datetime = datetime(2015, 1, 1, tzinfo=UTC),
) -> Sequence[Any]:
    """Deals, contacts, tasks, the log, calls and dictionaries of one account.

    ``access_token``: a long-lived one. ``base_url``: a sandbox on this machine instead of the account. ``history_from``: where
    the log begins; deals, contacts and tasks are read from the first one.
    """
    public = {"base_url": base_url} if base_url else {"subdomain": subdomain, "zone": zone}
    address = allowlist.connector_base_url(AMOCRM.name, public, allow_local=bool(base_url))

    def opened() -> VendorClient:
        return client(
            AMOCRM.name,
            address,
            # the token stays inside: no header of ours is logged or shown
            auth=BearerAuth(access_token),
            account_key=f"{AMOCRM.name}:{address}",
            allow_local=bool(base_url),
        )

    def dictionary(name: str) -> Any:
        def rows() -> Iterator[list[Any]]:
            with opened() as http:
                yield from paginator.pages(http.get, DICTIONARIES[name], name, {})

        return dlt.resource(rows, name=name, **_MERGED)

    def updated(name: str, params: dict[str, Any]) -> Any:
        def rows(
            updated_at: dlt.sources.incremental[int] = _cursor("updated_at"),  # noqa: B008
        ) -> Iterator[list[Any]]:
            with opened() as http:
                yield from paginator.updated_since(http.get, f"/api/v4/{name}", name, params, _since(updated_at))

        return dlt.resource(rows, name=name, **_MERGED)

    @dlt.resource(name="events", **_MERGED)
    def events(
        created_at: dlt.sources.incremental[int] = _cursor("created_at"),  # noqa: B008
    ) -> Iterator[list[Any]]:
        with opened() as http:
            known = paginator.event_types(http.get)
            wanted = [name for name in EVENTS if name in known]
            begin = _since(created_at) or history_from
            if wanted:
                yield from paginator.created_between(
                    http.get, "/api/v4/events", "events", {"filter[type]": ",".join(wanted)}, begin, clock.now()
                )

    @dlt.resource(name="notes", **_MERGED)
    def notes(
        updated_at: dlt.sources.incremental[int] = _cursor("updated_at"),  # noqa: B008
    ) -> Iterator[list[Any]]:
        params = {"filter[note_type][]": list(CALLS)}
        since = _since(updated_at)
        with opened() as http:
            for kind in ("contacts", "leads"):
                for rows in paginator.updated_since(http.get, f"/api/v4/{kind}/notes", "notes", params, since):
                    yield [{**row, "entity_type": kind} for row in rows if row.get("note_type") in CALLS]

    @dlt.resource(name="tasks", **_MERGED)
    def tasks(
        updated_at: dlt.sources.incremental[int] = _cursor("updated_at"),  # noqa: B008
    ) -> Iterator[list[Any]]:
        with opened() as http:
            yield from paginator.unordered_since(http.get, "/api/v4/tasks", "tasks", {}, _since(updated_at))

    return (
        *(dictionary(name) for name in DICTIONARIES),
        updated("leads", {"with": "contacts,loss_reason"}),
        updated("contacts", {}),
        events,
        notes,
        tasks,
    )


def _cursor(field: str) -> Any:
    return dlt.sources.incremental(field, initial_value=0, lag=_LAG)


def _since(cursor: dlt.sources.incremental[int]) -> datetime | None:
    """Where the last run ended, minus the overlap; None: from the beginning."""
    return datetime.fromtimestamp(cursor.start_value, UTC) if cursor.start_value and cursor.start_value > 0 else None
