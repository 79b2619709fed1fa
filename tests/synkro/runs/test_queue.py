"""The queue's promises: one active run per window, a living lease, a zombie that commits nothing."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from synkro.core.errors import LeaseLost
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.runs import leases, queue, reaper

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))


def ask(tenant: UUID, window: Window = WINDOW, key: str | None = None) -> tuple[queue.Run, bool]:
    with db.as_service("test") as connection:
        return queue.request(
            connection,
            tenant,
            window,
            mode="radist_only",
            trigger_type="system",
            report_type="daily",
            idempotency_key=key,
        )


def end(run: queue.Run, status: queue.Status) -> None:
    with db.as_service("test") as connection:
        leases.finish(
            connection, leases.claim(connection, run.run_id), status, error="причина" if status == "failed" else None
        )


def expire(run: queue.Run) -> None:
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.job_runs set lease_until = now() - interval '1 s' where run_id = %s", (run.run_id,)
        )


def draft() -> reports.Draft:
    return reports.Draft(
        "daily", WINDOW, WINDOW.end.date(), WINDOW.end.date(), WINDOW.end, True, "итог", Body(), {"waits": 3}, {}, []
    )


def test_fifty_triggers_at_once_make_one_run(tenant: UUID) -> None:
    answers: list[tuple[queue.Run, bool]] = []
    barrier = threading.Barrier(50)

    def trigger() -> None:
        barrier.wait()
        answers.append(ask(tenant))

    threads = [threading.Thread(target=trigger) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 50
    assert len({run.run_id for run, _ in answers}) == 1
    assert sum(was_made for _, was_made in answers) == 1


@pytest.mark.parametrize("ended", ["failed", "success", "cancelled"])
def test_after_the_end_the_same_window_is_a_new_attempt(tenant: UUID, ended: queue.Status) -> None:
    first, _ = ask(tenant)
    end(first, ended)
    second, was_made = ask(tenant)
    assert was_made and second.attempt == 2 and second.run_id != first.run_id


def test_the_last_runs_are_cut_and_newest_first(tenant: UUID) -> None:
    made = [ask(tenant, Window(WINDOW.start + timedelta(days=n), WINDOW.end + timedelta(days=n)))[0] for n in range(4)]
    with db.as_service("test") as connection:
        assert [run.run_id for run in queue.recent(connection, tenant, 3)] == [run.run_id for run in reversed(made[1:])]
        assert len(queue.recent(connection, tenant)) == 4 and len(queue.recent(connection, limit=2)) == 2


def test_a_missed_tick_is_made_up_once(tenant: UUID) -> None:
    first, _ = ask(tenant, key="daily:2026-03-02")
    end(first, "success")
    again, was_made = ask(tenant, key="daily:2026-03-02")
    assert not was_made and again.run_id == first.run_id


def test_two_workers_one_lease(tenant: UUID) -> None:
    run, _ = ask(tenant)
    with db.as_service("test") as connection:
        held = leases.claim(connection, run.run_id)
    with pytest.raises(LeaseLost), db.as_service("test") as connection:
        leases.claim(connection, run.run_id)
    with db.as_service("test") as connection:
        leases.heartbeat(connection, held)


def test_a_zombie_commits_nothing(tenant: UUID) -> None:
    run, _ = ask(tenant)
    with db.as_service("test") as connection:
        zombie = leases.claim(connection, run.run_id)
    expire(run)
    with db.as_service("test") as connection:
        heir = leases.claim(connection, run.run_id)
    assert heir.lease_token == zombie.lease_token + 1
    for write in (
        lambda c: leases.heartbeat(c, zombie),
        lambda c: leases.hold(c, zombie),
        lambda c: leases.finish(c, zombie, "success"),
    ):
        with pytest.raises(LeaseLost), db.as_service("test") as connection:
            write(connection)
    with pytest.raises(LeaseLost), db.as_service("test") as connection:
        reports.publish(connection, tenant, run.run_id, draft(), [])
        leases.hold(connection, zombie)
    with db.as_service("test") as connection:
        assert reports.current(connection, tenant) is None
        leases.hold(connection, heir)
        reports.publish(connection, tenant, run.run_id, draft(), [])
        leases.finish(connection, heir, "success")


def test_a_dead_worker_is_told_of_with_a_cause(tenant: UUID) -> None:
    run, _ = ask(tenant)
    with db.as_service("test") as connection:
        held = leases.claim(connection, run.run_id)
        leases.step(connection, held, "marts", 3, 10, "Считаем витрины")
        assert reaper.reap(connection) == []
    expire(run)
    with db.as_service("test") as connection:
        assert [ended.run_id for ended in reaper.reap(connection)] == [run.run_id]
        after = queue.get(connection, run.run_id)
        assert after.status == "failed"
        assert after.error is not None and "расчёт показателей" in after.error
        assert queue.events(connection, tenant, run.run_id)[-1].level == "error"
        assert reaper.reap(connection) == []


def test_a_worker_that_died_after_publishing_has_succeeded(tenant: UUID) -> None:
    run, _ = ask(tenant)
    with db.as_service("test") as connection:
        held = leases.claim(connection, run.run_id)
        made = reports.publish(connection, tenant, run.run_id, draft(), [])
        leases.attach_report(connection, held, made.report_id)
    expire(run)
    with db.as_service("test") as connection:
        reaper.reap(connection)
        assert queue.get(connection, run.run_id).status == "success"


def test_stop_ends_a_waiting_run_at_once_and_marks_a_running_one(tenant: UUID) -> None:
    waiting, _ = ask(tenant)
    with db.as_service("test") as connection:
        assert queue.request_stop(connection, tenant, waiting.run_id).status == "cancelled"
    running, _ = ask(tenant)
    with db.as_service("test") as connection:
        held = leases.claim(connection, running.run_id)
        assert queue.request_stop(connection, tenant, running.run_id).status == "cancelling"
        assert leases.is_stopping(connection, held)
        leases.heartbeat(connection, held)
    expire(running)
    with db.as_service("test") as connection:
        with pytest.raises(LeaseLost):
            leases.is_stopping(connection, held)
        reaper.reap(connection)
        assert queue.get(connection, running.run_id).status == "cancelled"


def test_a_worker_that_sleeps_on_its_row_holds_up_no_other_end(tenant: UUID) -> None:
    asleep, _ = ask(tenant)
    day = timedelta(days=1)
    dead, _ = ask(tenant, Window(WINDOW.start - day, WINDOW.end - day))
    with db.as_service("test") as connection:
        for run in (asleep, dead):
            leases.claim(connection, run.run_id)
    expire(dead)
    expire(asleep)
    with db.as_service("sleeper") as sleeper:
        sleeper.execute("select from synkro.job_runs where run_id = %s for update", (asleep.run_id,))
        with db.as_service("test") as connection:
            connection.execute("set local lock_timeout = '30s'")
            assert [ended.run_id for ended in reaper.reap(connection)] == [dead.run_id]
    with db.as_service("test") as connection:
        assert [ended.run_id for ended in reaper.reap(connection)] == [asleep.run_id], "its turn comes"


def test_the_minute_to_stop_begins_when_the_row_is_free(tenant: UUID) -> None:
    run, _ = ask(tenant)
    with db.as_service("test") as connection:
        leases.claim(connection, run.run_id)

    def stop() -> None:
        with db.as_service("person") as connection:
            queue.request_stop(connection, tenant, run.run_id)

    person = threading.Thread(target=stop)
    with db.as_service("sleeper") as sleeper:
        sleeper.execute("select from synkro.job_runs where run_id = %s for update", (run.run_id,))
        person.start()
        waits = "select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))"
        for _ in range(6000):
            if sleeper.execute(waits).fetchone() is not None:
                break
            time.sleep(0.01)
        else:
            raise AssertionError("the person does not wait for the row")
        freed = sleeper.execute("select clock_timestamp() as at").fetchone()
    person.join(timeout=120)
    with db.as_service("test") as connection:
        asked = connection.execute(
            "select cancel_requested_at as at from synkro.job_runs where run_id = %s", (run.run_id,)
        )
        assert freed is not None and (row := asked.fetchone()) is not None and row["at"] > freed["at"]


def test_a_report_has_versions_and_one_is_current(tenant: UUID) -> None:
    for _ in range(3):
        with db.as_service("test") as connection:
            letter = reports.OutboxMessage("100", {"text": "т"})
            reports.publish(connection, tenant, None, draft(), [letter])
    with db.as_service("test") as connection:
        current = reports.current(connection, tenant, WINDOW)
        assert current is not None and current.version == 3
        assert [version.is_current for version in reports.versions(connection, current)] == [True, False, False]
        count = connection.execute("select count(*) as n from synkro.outbox where tenant_id = %s", (tenant,)).fetchone()
        assert count is not None and count["n"] == 3


def test_active_puts_people_first(tenant: UUID) -> None:
    ask(tenant)
    later = Window(WINDOW.start + timedelta(days=1), WINDOW.end + timedelta(days=1))
    with db.as_service("test") as connection:
        manual, _ = queue.request(
            connection, tenant, later, mode="radist_only", trigger_type="manual", report_type="forced"
        )
        assert queue.active(connection)[0].run_id == manual.run_id
