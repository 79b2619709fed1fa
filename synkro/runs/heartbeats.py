"""Heartbeats of the long-running processes: the engine that picks runs up, the sender, the app."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from synkro.core import vault
from synkro.core.errors import ConfigurationError
from synkro.database import db

#: the engine's sensor beats every 5 s and may be late by a slow evaluation
ALIVE = timedelta(seconds=45)


def beat(connection: db.Connection, service: str, **detail: object) -> None:
    """Tell that the service lives, and which key it seals secrets with."""
    with suppress(ConfigurationError):
        detail["key_id"] = vault.current_key_id()
    connection.execute(
        "insert into private.services (service, detail) values (%s, %s)"
        " on conflict (service) do update set heartbeat_at = now(), detail = excluded.detail",
        (service, Jsonb(detail)),
    )


def last_beats(connection: db.Connection) -> dict[str, datetime]:
    return {
        row["service"]: row["heartbeat_at"]
        for row in connection.execute("select service, heartbeat_at from private.services")
    }


def with_older_keys(connection: db.Connection) -> list[str]:
    """Names of what may still write secrets with another key than this process: living services, and runs under way."""
    rows = connection.execute(
        "select service from private.services where now() - heartbeat_at < %s"
        " and detail ->> 'key_id' is distinct from %s order by 1",
        (ALIVE, vault.current_key_id()),
    ).fetchall()
    running = connection.execute(
        "select count(*) as n from synkro.job_runs where status in ('running', 'cancelling')"
    ).fetchone()
    # a run has the keys of the moment it began, whichever those were
    runs = [f"запуски: {running['n']}"] if running and running["n"] else []
    return [*(row["service"] for row in rows), *runs]


def is_alive(connection: db.Connection, service: str) -> bool:
    beat_at = last_beats(connection).get(service)
    return beat_at is not None and datetime.now(UTC) - beat_at < ALIVE
