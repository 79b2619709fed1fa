"""Every window once and in order, whatever the clock does; and one run of it, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from orchestration.defs.schedules import enqueue_due
from services import access
from services.reports import runs
from synkro.accounts import embedded
from synkro.core import clock
from synkro.core.windows import Window, last_closed, month_window
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.runs import leases, queue, reaper
from synkro.tenancy import runtime_config, tenants, users

STEP = timedelta(minutes=20)


def company(zone: str, **config: object) -> UUID:
    """A company whose schedule has been on for years."""
    with db.as_service("test") as connection:
        tenant = tenants.add(connection, "Мебель", "mebel", zone)
        runtime_config.start(connection, tenant.tenant_id, zone)
        runtime_config.change(connection, tenant.tenant_id, {"is_schedule_enabled": True, **config})
        connection.execute("update synkro.tenants set status_since = '2020-01-01'")
        connection.execute("update synkro.tenant_runtime_configs set created_at = '2020-01-01'")
        return tenant.tenant_id


def ticks(begin: str, end: str, zone: str) -> list[datetime]:
    """The right time of every look at the schedule, aware UTC."""
    now, last = (datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for text in (begin, end))
    found = []
    while now <= last:
        found.append(now)
        now += STEP
    return found


def play(looks: list[datetime]) -> list[queue.Run]:
    """What is queued, in the order of the queue; each run succeeds before the next look."""
    made = []
    with db.as_service("test") as connection:
        for now in looks:
            for run in enqueue_due(connection, now):
                made.append(run)
                leases.finish(connection, leases.claim(connection, run.run_id), "success")
    return made


def days(made: list[queue.Run], zone: str) -> list[date]:
    return [run.window_end.astimezone(ZoneInfo(zone)).date() for run in made if run.report_type == "daily"]


def between(first: str, last: str) -> list[date]:
    begin, end = date.fromisoformat(first), date.fromisoformat(last)
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def whole(looks: list[datetime]) -> list[datetime]:
    return looks


def ahead(looks: list[datetime]) -> list[datetime]:
    """An hour ahead across the due time of the second day, then set back."""
    third = len(looks) // 3
    return [now + timedelta(hours=third < n < 2 * third) for n, now in enumerate(looks)]


def behind(looks: list[datetime]) -> list[datetime]:
    third = len(looks) // 3
    return [now - timedelta(hours=third < n < 2 * third) for n, now in enumerate(looks)]


def restless(looks: list[datetime]) -> list[datetime]:
    """Every other look an hour off, to either side."""
    return [now + timedelta(hours=(0, 1, 0, -1)[n % 4]) for n, now in enumerate(looks)]


def dead(looks: list[datetime]) -> list[datetime]:
    """Nobody looks between 20:00 and 02:00 UTC+5 and the like: six hours across each due time."""
    return [now for now in looks if not 15 <= now.hour < 21]


@pytest.mark.parametrize("clock", [whole, ahead, behind, restless, dead])
@pytest.mark.parametrize(
    ("zone", "begin", "end", "days_of"),
    [
        ("Asia/Almaty", "2026-02-27 12:00", "2026-03-03 12:00", ("2026-02-27", "2026-03-02")),
        ("Europe/Moscow", "2026-12-30 12:00", "2027-01-02 12:00", ("2026-12-30", "2027-01-01")),
        # the clocks of Berlin go forward in the night to March 29 and back in the one to October 25
        ("Europe/Berlin", "2026-03-27 12:00", "2026-03-31 12:00", ("2026-03-27", "2026-03-30")),
        ("Europe/Berlin", "2026-10-23 12:00", "2026-10-27 12:00", ("2026-10-23", "2026-10-26")),
    ],
)
def test_each_window_once_and_in_order(
    database: str,
    zone: str,
    begin: str,
    end: str,
    days_of: tuple[str, str],
    clock: Callable[[list[datetime]], list[datetime]],
) -> None:
    company(zone)
    # a first look before: what is owed from earlier days is made good and not counted
    before = ticks(begin, begin, zone)
    play(before)
    made = play(clock(ticks(begin, end, zone)[1:]))
    assert days(made, zone) == between(*days_of)
    assert len({(run.window_start, run.window_end) for run in made}) == len(made)


@pytest.mark.parametrize("at", ["02:30", "03:00"])
@pytest.mark.parametrize("month", ["03-27 12:00", "10-23 12:00"])
def test_an_hour_that_is_not_or_is_twice(database: str, at: str, month: str) -> None:
    """The report is due at a local time that one night does not have, and another has twice."""
    company("Europe/Berlin", scheduled_run_time=at)
    begin = datetime.fromisoformat(f"2026-{month}")
    play(ticks(str(begin), str(begin), "Europe/Berlin"))
    made = play(restless(ticks(str(begin + STEP), str(begin + timedelta(days=4)), "Europe/Berlin")))
    # the day closes at 22:01 and is due in the night after
    assert days(made, "Europe/Berlin") == between(str(begin.date()), str(begin.date() + timedelta(days=3)))


def test_a_month_is_due_once_over_its_end(database: str) -> None:
    company("Europe/Moscow")
    looks = ticks("2026-02-28 12:00", "2026-03-03 12:00", "Europe/Moscow")
    play(looks[:1])
    monthly = [run for run in play(restless(looks[1:])) if run.report_type == "monthly"]
    assert [run.window for run in monthly] == [month_window(date(2026, 2, 1), runtime_start(), "Europe/Moscow")]


def runtime_start() -> time:
    with db.as_service("test") as connection:
        (tenant,) = tenants.visible(connection)
        return runtime_config.current(connection, tenant.tenant_id).business_day_start


# --- whoever asks -------------------------------------------------------------------------------------------


@pytest.fixture
def asked(database: str) -> Iterator[tuple[UUID, access.Viewer, Window]]:
    tenant_id = company("Asia/Almaty", is_weekly_enabled=False, is_monthly_enabled=False)
    with db.as_service("test") as connection:
        user = embedded.add(connection, "owner@mebel.example", "пароль из двенадцати")
        users.grant(connection, user.user_id, tenant_id, "user")
        connection.execute("update synkro.tenants set status_since = now()")
        connection.execute("update synkro.tenant_runtime_configs set created_at = %s", (clock.now(),))
        config = runtime_config.current(connection, tenant_id)
        window = last_closed(clock.now(), config.business_day_start, config.timezone)
    yield tenant_id, access.viewer(user), window


def fifty(tenant_id: UUID, who: access.Viewer, window: Window) -> list[tuple[UUID | None, bool]]:
    """Ten ticks of the schedule, twenty presses on the page or calls of the API (one function), twenty command lines."""
    answers: list[tuple[UUID | None, bool]] = []
    barrier = threading.Barrier(50)

    def schedule() -> None:
        barrier.wait()
        with db.as_service("test") as connection:
            made = enqueue_due(connection, clock.now())
        # a tick that finds the window asked for, or done, says nothing
        answers.append((made[0].run_id if made else None, bool(made)))

    def page() -> None:
        barrier.wait()
        run, was_made = runs.request(who, "mebel", window.start.isoformat(), window.end.isoformat())
        answers.append((run.run_id, was_made))

    def command() -> None:
        barrier.wait()
        with db.as_service("test") as connection:
            run, was_made = queue.request(
                connection, tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
            )
        answers.append((run.run_id, was_made))

    threads = [threading.Thread(target=ask) for ask in [schedule] * 10 + [page] * 20 + [command] * 20]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=180)
    return answers


def test_fifty_ask_and_one_runs_twenty_times(asked: tuple[UUID, access.Viewer, Window]) -> None:
    tenant_id, who, window = asked
    for number in range(1, 21):
        answers = fifty(tenant_id, who, window)
        assert len(answers) == 50 and len({run_id for run_id, _ in answers} - {None}) == 1
        assert sum(was_made for _, was_made in answers) == 1, "49 joined"
        # it ends as runs may end, in turn, and the window can be asked for again
        with db.as_service("test") as connection:
            (run,) = queue.active(connection, tenant_id)
            assert run.attempt == number
            held = leases.claim(connection, run.run_id)
            if number % 4 == 0:
                leases.finish(connection, held, "failed", error="сбой")
            elif number % 4 == 1:
                # while it runs asking joins; a crash ends with the lease
                assert queue.request(
                    connection, tenant_id, window, mode="amocrm_radist", trigger_type="manual", report_type="daily"
                ) == (held, False)
                connection.execute("update synkro.job_runs set lease_until = now() where run_id = %s", (run.run_id,))
            else:
                draft = reports.Draft(
                    "daily",
                    window,
                    window.end.date(),
                    window.end.date(),
                    window.end,
                    True,
                    "итог",
                    Body(),
                    {"waits": 3},
                    {},
                    [],
                )
                made = reports.publish(connection, tenant_id, run.run_id, draft, [])
                leases.attach_report(connection, held, made.report_id)
                leases.finish(connection, held, "success")
        with db.as_service("test") as connection:
            reaper.reap(connection)
            assert queue.active(connection, tenant_id) == []
    with db.as_service("test") as connection:
        versions = connection.execute("select version, is_current from synkro.reports order by version").fetchall()
    assert [row["version"] for row in versions] == list(range(1, 11))
    assert [row["version"] for row in versions if row["is_current"]] == [10]
