"""A lease and its token: what ran out is not renewed, what was taken over is refused on every way to write, what a person
stopped stays stopped; and the same of a letter that another sender has taken over."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from delivery import sender
from delivery.sender import SendOutcome
from delivery.telegram.client import Sent
from synkro.connectors import integrations
from synkro.core.errors import LeaseLost, PermanentError
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reports
from synkro.reporting.body import Body
from synkro.reporting.delivery import outbox
from synkro.runs import leases, queue, reaper
from synkro.tenancy import runtime_config, tenants

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))


@pytest.fixture
def tenant(shared_database: str) -> UUID:
    with db.as_service("test") as connection:
        made = tenants.add(connection, "Альфа", f"t{uuid4().hex[:12]}", "Asia/Almaty")
        runtime_config.start(connection, made.tenant_id, "Asia/Almaty")
    return made.tenant_id


def led(tenant_id: UUID) -> queue.Run:
    with db.as_service("test") as connection:
        run, _ = queue.request(
            connection, tenant_id, WINDOW, mode="radist_only", trigger_type="system", report_type="daily"
        )
        return leases.claim(connection, run.run_id)


def change(run: queue.Run, what: str) -> None:
    with db.as_service("test") as connection:
        connection.execute(f"update synkro.job_runs set {what} where run_id = %s".encode(), (run.run_id,))


def row(run: queue.Run) -> dict[str, Any]:
    with db.as_service("test") as connection:
        found = connection.execute("select * from synkro.job_runs where run_id = %s", (run.run_id,)).fetchone()
    assert found is not None
    return found


def draft() -> reports.Draft:
    return reports.Draft(
        "daily", WINDOW, WINDOW.end.date(), WINDOW.end.date(), WINDOW.end, True, "итог", Body(), {}, {}, []
    )


def publish(connection: db.Connection, run: queue.Run) -> None:
    """As the step does: the lease is held, then the report is stored and named."""
    leases.hold(connection, run)
    made = reports.publish(connection, run.tenant_id, run.run_id, draft(), [])
    leases.attach_report(connection, run, made.report_id)


#: every way to write of ``leases``, and what a step does under the lease
WRITES: dict[str, Callable[[db.Connection, queue.Run], Any]] = {
    "heartbeat": leases.heartbeat,
    "is_stopping": leases.is_stopping,
    "hold": leases.hold,
    "step": lambda c, run: leases.step(c, run, "report", 1, 2, "Составляем"),
    "attach_report": lambda c, run: leases.attach_report(c, run, uuid4()),
    "finish": lambda c, run: leases.finish(c, run, "success"),
    "publish": publish,
}
#: these say nothing to who lost the lease: they change nothing
SILENT = {"step", "attach_report"}
#: a run is ended by its worker also when the lease ran out, as long as nobody has taken it over or reaped it
BY_TOKEN = {"finish", "step", "attach_report"}


def test_every_way_to_write_is_here() -> None:
    public = {
        name
        for name, function in inspect.getmembers(leases, inspect.isfunction)
        if function.__module__ == leases.__name__ and "run" in inspect.signature(function).parameters
    }
    assert public | {"publish"} == set(WRITES)


def refused(write: str, run: queue.Run) -> None:
    before = row(run)
    if write in SILENT:
        with db.as_service("zombie") as connection:
            WRITES[write](connection, run)
    else:
        with pytest.raises(LeaseLost), db.as_service("zombie") as connection:
            WRITES[write](connection, run)
    assert row(run) == before
    with db.as_service("test") as connection:
        assert reports.current(connection, run.tenant_id) is None


@pytest.mark.parametrize("write", WRITES)
def test_the_old_token_is_refused_after_a_take_over(tenant: UUID, write: str) -> None:
    zombie = led(tenant)
    change(zombie, "lease_until = now() - interval '1 s'")
    with db.as_service("test") as connection:
        heir = leases.claim(connection, zombie.run_id)
    assert heir.lease_token == zombie.lease_token + 1
    refused(write, zombie)
    # the heir may do it on the very row
    with db.as_service("heir") as connection:
        WRITES[write](connection, heir)


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("was", ["running", "cancelling"])
def test_who_was_reaped_writes_nothing(tenant: UUID, write: str, was: str) -> None:
    """The reaper takes the token with it: what sleeps wakes to nothing."""
    zombie = led(tenant)
    change(zombie, f"status = '{was}', lease_until = now() - interval '1 s'")
    with db.as_service("test") as connection:
        ended = [run.status for run in reaper.reap(connection) if run.run_id == zombie.run_id]
    assert ended == ["failed" if was == "running" else "cancelled"]
    assert row(zombie)["lease_token"] == zombie.lease_token + 1
    refused(write, zombie)


@pytest.mark.parametrize("write", [name for name in WRITES if name not in BY_TOKEN])
def test_what_ran_out_is_not_renewed(tenant: UUID, write: str) -> None:
    """Nobody has taken it over yet, and all the same: a moment later somebody might."""
    late = led(tenant)
    change(late, "lease_until = now() - interval '1 ms'")
    refused(write, late)


def test_a_lease_is_as_long_as_it_says(tenant: UUID) -> None:
    run = led(tenant)
    change(run, "lease_until = now() + interval '1 s'")
    with db.as_service("test") as connection:
        leases.heartbeat(connection, run)
        left = connection.execute(
            "select extract(epoch from lease_until - now()) as left from synkro.job_runs where run_id = %s",
            (run.run_id,),
        ).fetchone()
    assert left is not None and left["left"] == leases.LEASE_SECONDS


@pytest.mark.parametrize("ended", ["success", "failed", "cancelled"])
def test_a_run_that_is_over_is_not_led_again(tenant: UUID, ended: queue.Status) -> None:
    """Not by a claim, not by who led it, not by a person who asks to stop it."""
    run = led(tenant)
    with db.as_service("test") as connection:
        leases.finish(connection, run, ended, error="причина")
    before = row(run)
    with pytest.raises(LeaseLost), db.as_service("test") as connection:
        leases.claim(connection, run.run_id)
    with db.as_service("test") as connection:
        assert queue.request_stop(connection, tenant, run.run_id).status == ended
        queue.offer(connection, run.run_id)
        assert run.run_id not in {reaped.run_id for reaped in reaper.reap(connection)}
    for write in WRITES:
        refused(write, run)
    assert row(run) == before


def test_a_stopped_run_ends_as_stopped_under_its_heir(tenant: UUID) -> None:
    """A take-over does not forget that a person wanted the run to end."""
    first = led(tenant)
    with db.as_service("test") as connection:
        assert queue.request_stop(connection, tenant, first.run_id).status == "cancelling"
    change(first, "lease_until = now() - interval '1 s'")
    with db.as_service("test") as connection:
        heir = leases.claim(connection, first.run_id)
        assert heir.status == "cancelling" and leases.is_stopping(connection, heir)


def test_a_run_stopped_before_it_began_is_claimed_by_nobody(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        run, _ = queue.request(
            connection, tenant, WINDOW, mode="radist_only", trigger_type="system", report_type="daily"
        )
        queue.request_stop(connection, tenant, run.run_id)
    with pytest.raises(LeaseLost), db.as_service("test") as connection:
        leases.claim(connection, run.run_id)
    assert row(run)["status"] == "cancelled" and row(run)["lease_token"] == 0


# --- letters ----------------------------------------------------------------------------------------------


def letter(tenant_id: UUID) -> outbox.Item:
    """Claimed by a sender."""
    with db.as_service("test") as connection:
        reports.publish(connection, tenant_id, None, draft(), [reports.OutboxMessage("100", {"text": "т"})])
        item = outbox.claim(connection, tenant_id=tenant_id)
    assert item is not None
    return item


def run_out(item: outbox.Item) -> None:
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.outbox set claimed_until = now() - interval '1 s' where outbox_id = %s", (item.outbox_id,)
        )


def stored(item: outbox.Item) -> dict[str, Any]:
    with db.as_service("test") as connection:
        found = connection.execute("select * from synkro.outbox where outbox_id = %s", (item.outbox_id,)).fetchone()
    assert found is not None
    return found


def taken_over(item: outbox.Item) -> outbox.Item:
    run_out(item)
    with db.as_service("heir") as connection:
        heir = outbox.claim(connection, tenant_id=item.tenant_id)
    assert heir is not None and heir.outbox_id == item.outbox_id and heir.maybe_delivered
    return heir


#: what a sender says of a letter that did not arrive
NOT_ARRIVED: dict[str, Callable[[db.Connection, outbox.Item], bool]] = {
    "again": lambda c, item: outbox.mark_retry(c, item, "не вышло", after_seconds=0),
    "again, maybe delivered": lambda c, item: outbox.mark_retry(
        c, item, "не вышло", after_seconds=0, maybe_delivered=True
    ),
    "the last attempt": lambda c, item: outbox.mark_retry(
        c, replace(item, attempts=outbox.MAX_ATTEMPTS), "не вышло", after_seconds=0
    ),
    "for good": lambda c, item: outbox.mark_failed(c, item, "не вышло"),
}


@pytest.mark.parametrize("said", NOT_ARRIVED)
@pytest.mark.parametrize("is_sent", [True, False])
def test_a_late_sender_reopens_no_letter(tenant: UUID, said: str, is_sent: bool) -> None:
    """Its claim ran out and another one sends, or has sent: a third copy would go out."""
    late = letter(tenant)
    heir = taken_over(late)
    if is_sent:
        with db.as_service("heir") as connection:
            outbox.mark_sent(connection, heir, "55")
    before = stored(late)
    with db.as_service("late") as connection:
        assert not NOT_ARRIVED[said](connection, late)
    assert stored(late) == before
    if not is_sent and said != "the last attempt":
        with db.as_service("heir") as connection:
            assert NOT_ARRIVED[said](connection, heir)
        assert stored(late)["last_error"] == "не вышло"


def test_a_letter_that_arrived_late_has_arrived(tenant: UUID) -> None:
    """Who says so does not matter; what the heir meets afterwards does not make it undelivered."""
    late = letter(tenant)
    heir = taken_over(late)
    with db.as_service("late") as connection:
        outbox.mark_sent(connection, late, "55")
    for say in NOT_ARRIVED.values():
        with db.as_service("heir") as connection:
            assert not say(connection, heir)
    assert stored(late)["status"] == "sent" and stored(late)["provider_message_id"] == "55"


def test_a_late_refusal_is_no_failure_of_the_integration(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """The letter arrived by another sender: people are not told that Telegram does not work."""
    with db.as_service("test") as connection:
        integrations.save_public(connection, tenant, "telegram", {"chat_id": "100"})
    late = letter(tenant)
    heir = taken_over(late)
    with db.as_service("heir") as connection:
        outbox.mark_sent(connection, heir, "55")

    refusal = PermanentError("Telegram отказал.")
    vars(refusal)["answer"] = {"error_code": 400, "description": "Bad Request: chat not found"}

    def refuse(*_: Any) -> Sent:
        raise refusal

    monkeypatch.setattr(sender._Desk, "_send", refuse)
    sender._Desk(lambda: None).handle(late, SendOutcome())
    with db.as_service("test") as connection:
        assert integrations.load(connection, tenant, "telegram").status == "unknown"
    assert stored(late)["status"] == "sent"


def test_a_claim_that_has_not_run_out_is_nobody_elses(tenant: UUID) -> None:
    item = letter(tenant)
    with db.as_service("second") as connection:
        assert outbox.claim(connection, tenant_id=tenant) is None
    run_out(item)
    with db.as_service("second") as connection:
        assert (again := outbox.claim(connection, tenant_id=tenant)) is not None
    assert again.attempts == item.attempts + 1
