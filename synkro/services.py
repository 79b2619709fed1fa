"""Heartbeats of the long-running processes: the engine that picks runs up, the sender, the app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from psycopg.types.json import Jsonb

from synkro import db

#: the engine's sensor beats every 5 s and may be late by a slow evaluation
ALIVE = timedelta(seconds=45)


def beat(connection: db.Connection, service: str, **detail: object) -> None:
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


def is_alive(connection: db.Connection, service: str) -> bool:
    beat_at = last_beats(connection).get(service)
    return beat_at is not None and datetime.now(UTC) - beat_at < ALIVE
