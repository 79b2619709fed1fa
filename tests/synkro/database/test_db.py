"""The entry points: a transaction whose process sleeps gives its locks back."""

from __future__ import annotations

from contextlib import AbstractContextManager
from uuid import uuid4

import psycopg
import pytest

from synkro.connectors import integrations
from synkro.database import db
from synkro.http.client import PATIENCE

_TIMEOUT = "select current_setting('idle_in_transaction_session_timeout') as value"


def test_a_sleeper_does_not_keep_its_locks(database: str) -> None:
    """As a stopped process that took a turn of the limiter and said nothing more."""
    with (
        pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout),
        db.as_service("sleeper", idle_seconds=1) as asleep,
    ):
        asleep.execute("select pg_advisory_xact_lock(7)")
        with psycopg.connect(database) as awake:
            awake.execute("set lock_timeout = '120s'")
            awake.execute("select pg_advisory_xact_lock(7)")
        asleep.execute("select 1")

    with db.as_service("next") as connection:
        assert connection.execute("select 1 as one").fetchone() == {"one": 1}, "the pool lends no broken connection"


def test_every_door_has_a_bound_and_a_renewal_of_tokens_a_longer_one(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.as_service("test") as service, db.as_user("11111111-1111-4111-8111-111111111111") as user:
        bounds = [door.execute(_TIMEOUT).fetchone() for door in (service, user)]
    assert bounds == [{"value": "1min"}] * 2

    asked: list[dict[str, int]] = []
    door = db.as_service

    def noted(purpose: str, **options: int) -> AbstractContextManager[db.Connection]:
        asked.append(options)
        return door(purpose, **options)

    monkeypatch.setattr(db, "as_service", noted)
    with integrations.locked_secrets(uuid4(), "amocrm"):
        assert asked == [{"idle_seconds": integrations.REFRESH_SECONDS}]
    assert integrations.REFRESH_SECONDS > PATIENCE


def test_only_who_asks_for_it_does_not_wait_for_the_disk(database: str) -> None:
    def waits() -> str:
        row = connection.execute("show synchronous_commit").fetchone()
        assert row is not None
        return str(row["synchronous_commit"])

    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(f"alter database {owner.info.dbname} set synchronous_commit = 'remote_write'")
    db.close()
    with db.as_service("test", is_durable=False) as connection:
        assert waits() == "off"
    with db.as_service("test") as connection:
        assert waits() == "remote_write", "the same connection, the next borrower"
