"""From which moment a history is read, which run reads it, and who may ask for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from uuid import UUID

import psycopg
import pytest

from synkro.accounts import embedded
from synkro.core.errors import DataError
from synkro.database import db
from synkro.runs import history, queue, watermarks
from synkro.tenancy import users
from synkro.tenancy.runtime_config import RuntimeConfig

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
ALMATY = RuntimeConfig("Asia/Almaty")


@pytest.mark.parametrize(
    ("day_start", "zone", "day", "start"),
    [
        # 22:01 of the evening before, 17:01 UTC
        (time(22, 1), "Asia/Almaty", "2025-12-01", datetime(2025, 11, 30, 17, 1, tzinfo=UTC)),
        # the day is called to begin at 06:00; a person who types a date means its night too
        (time(6), "Asia/Almaty", "2025-12-01", datetime(2025, 11, 30, 19, tzinfo=UTC)),
        (time(0), "Europe/Berlin", "2025-12-01", datetime(2025, 11, 30, 23, tzinfo=UTC)),
        # the clocks go forward at midnight: the day begins at 01:00
        (time(0), "America/Santiago", "2025-09-07", datetime(2025, 9, 7, 4, tzinfo=UTC)),
    ],
)
def test_a_history_begins_with_the_local_day(day_start: time, zone: str, day: str, start: datetime) -> None:
    config = RuntimeConfig(zone, business_day_start=day_start)
    assert history.start_of(f" {day} ", config, NOW) == start
    assert history.day_of(start, config) == date.fromisoformat(day)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "не похоже на дату"),
        ("01.12.2025", "2026-03-02"),
        ("2025-12-01T10:00", "не похоже на дату"),
        ("2025-02-30", "не похоже на дату"),
        ("2026-03-03", "не позже 2026-03-02"),
        ("2999-01-01", "не позже 2026-03-02"),
        ("2021-03-02", "не раньше 2021-03-03"),
        ("0001-01-01", "не раньше 2021-03-03"),
    ],
)
def test_a_bad_day_is_refused_with_the_cure(text: str, said: str) -> None:
    with pytest.raises(DataError) as refused:
        history.start_of(text, ALMATY, NOW)
    assert refused.value.message.startswith("Поле «from»") and said in refused.value.message


def test_the_bounds_themselves_are_allowed() -> None:
    first, last = history.bounds(ALMATY, NOW)
    assert (first, last) == (date(2021, 3, 3), date(2026, 3, 2))
    for day in (first, last):
        assert history.day_of(history.start_of(day.isoformat(), ALMATY, NOW), ALMATY) == day
    assert history.bounds(ALMATY, datetime(2028, 2, 29, 9, tzinfo=UTC))[0] == date(2023, 2, 28)


def ask(tenant: UUID, day: str) -> tuple[queue.Run, bool]:
    with db.as_service("test") as connection:
        return history.request(connection, tenant, ALMATY, day, NOW)


def test_it_joins_only_a_run_that_reads_as_far(tenant: UUID) -> None:
    first, was_made = ask(tenant, "2025-12-01")
    assert was_made and first.history_from == datetime(2025, 11, 30, 17, 1, tzinfo=UTC)
    for day in ("2025-12-01", "2026-01-15"):
        assert ask(tenant, day)[0].run_id == first.run_id
    with pytest.raises(DataError, match="так глубоко"):
        ask(tenant, "2025-11-30")
    with db.as_service("test") as connection:
        queue.request_stop(connection, tenant, first.run_id)
    deeper, was_made = ask(tenant, "2025-11-30")
    assert was_made and deeper.attempt == 2


def test_it_does_not_join_a_run_without_history(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        plain, _ = queue.request(
            connection,
            tenant,
            ask_window(),
            mode="amocrm_radist",
            trigger_type="scheduled",
            report_type="daily",
        )
    with pytest.raises(DataError, match=str(plain.run_id)):
        ask(tenant, "2026-01-15")
    with db.as_service("test") as connection:
        again = queue.request(
            connection, tenant, ask_window(), mode="amocrm_radist", trigger_type="system", report_type="daily"
        )
    assert again == (plain, False)


def ask_window():  # type: ignore[no-untyped-def]
    from synkro.core.windows import last_closed

    return last_closed(NOW, ALMATY.business_day_start, ALMATY.timezone)


def test_the_database_lets_administrators_load_history_and_members_ask_for_reports(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        people = {}
        for name in ("user", "admin_lite"):
            people[name] = embedded.add(connection, f"{name}@x.example", "пароль для проверки").user_id
            users.grant(connection, people[name], tenant, name)  # type: ignore[arg-type]
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(people["user"]) as connection:
        history.request(connection, tenant, ALMATY, "2025-12-01", NOW, requested_by=people["user"])
    with db.as_user(people["admin_lite"]) as connection:
        made, _ = history.request(connection, tenant, ALMATY, "2025-12-01", NOW, requested_by=people["admin_lite"])
        queue.request_stop(connection, tenant, made.run_id)
    with db.as_user(people["user"]) as connection:
        run, was_made = queue.request(
            connection,
            tenant,
            made.window,
            mode="amocrm_radist",
            trigger_type="manual",
            report_type="daily",
            requested_by=people["user"],
        )
    assert was_made and run.history_from is None


def test_a_source_reaches_as_far_as_its_shortest_stream(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        for stream, since in (("events", "2025-12-01T17:01:00+00:00"), ("notes", "2026-01-01T17:01:00+00:00")):
            watermarks.advance(connection, tenant, "amocrm", stream, NOW, {"from": since})
        watermarks.advance(connection, tenant, "amocrm", "leads", NOW, {"whole_at": NOW.isoformat()})
        found = history.depths(connection, tenant)
    assert {one.stream: one.since is None for one in found} == {"events": False, "notes": False, "leads": True}
    assert history.since(found, "amocrm", ALMATY) == date(2026, 1, 2)
    assert history.since(found, "radist", ALMATY) is None
