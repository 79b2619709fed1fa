"""Every lock of the product between two real connections, and the list of the locks itself.

``TESTED`` names the test of each lock expression in the source. A lock without a test, or a test of a lock that is no
more, fails :func:`test_every_lock_has_its_test`.
"""

from __future__ import annotations

import ast
import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest

from delivery.bot import inbox, listener
from ingestion.load.staging import Landing
from services.settings import chat_imports
from synkro.connectors import integrations
from synkro.connectors.whatsapp import uploads
from synkro.connectors.whatsapp.chats import Chat, Message
from synkro.core import vault  # fmt: skip
from synkro.core.errors import DataError, LeaseLost
from synkro.core.settings import ROOT, settings
from synkro.core.windows import Window
from synkro.database import db, migrations
from synkro.reporting import reports, revisions, spending
from synkro.reporting.body import Body
from synkro.reporting.delivery import deliveries, outbox, telegram_chats
from synkro.runs import leases, reaper
from synkro.runs import queue as runs
from synkro.tenancy import audit, tenants
from tests.conftest import entry_points_to
from tests.support.locks import ADVISORY, ROW, clock, company, hurried, meanwhile, until_it_waits
from tests.support.packages import PRODUCT

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))
DAY = timedelta(days=1)
LATER = Window(WINDOW.start + DAY, WINDOW.end + DAY)

HERE, RUNS, BATCH = (
    "tests/synkro/database/test_locks.py",
    "tests/synkro/runs/test_queue.py",
    "tests/orchestration/queue/test_locks.py",
)
#: place of the lock → the file and the test that hold it from two connections
TESTED: dict[str, tuple[str, ...]] = {
    "synkro/runs/leases.py hold": (HERE, "test_a_run_is_not_stopped_while_its_report_is_published", "test_who_publishes_waits_for_the_reaper"),
    "synkro/runs/reaper.py reap": (RUNS, "test_a_worker_that_sleeps_on_its_row_holds_up_no_other_end"),
    "synkro/runs/queue.py request_stop": (RUNS, "test_the_minute_to_stop_begins_when_the_row_is_free"),
    "synkro/connectors/integrations.py locked_secrets": (HERE, "test_a_second_refresh_waits_for_the_first", "test_a_refresh_holds_the_secrets_themselves"),
    "synkro/connectors/integrations.py _reseal": (HERE, "test_rotation_waits_for_a_refresh"),
    "synkro/reporting/reports.py publish": (HERE, "test_two_publishers_of_a_window_take_turns"),
    "synkro/database/migrations.py migrate": (HERE, "test_two_deployers_migrate_one_after_the_other"),
    "synkro/reporting/delivery/outbox.py add_once": (HERE, "test_a_message_queued_twice_at_once_is_one"),
    "synkro/connectors/whatsapp/uploads.py add": (HERE, "test_one_chat_uploaded_twice_at_once_is_counted_once"),
    "services/settings/chat_imports.py _check_uploads": (HERE, "test_two_uploads_at_once_are_two_of_an_hour"),
    "synkro/reporting/delivery/outbox.py claim": (HERE, "test_two_senders_take_two_letters"),
    "synkro/reporting/delivery/deliveries.py hold": (HERE, "test_a_report_that_waited_is_told_by_one_of_two"),
    "synkro/reporting/revisions.py _DUE": (HERE, "test_a_followup_is_queued_by_one_of_two"),
    "ingestion/load/staging.py Landing._lock": (HERE, "test_a_load_waits_for_the_staging_schema"),
    "delivery/bot/inbox.py receive": (HERE, "test_an_update_is_handled_by_one_of_two"),
    "synkro/reporting/delivery/telegram_chats.py _locked": (HERE, "test_two_chats_that_move_at_once_both_move"),
    "synkro.guard_telegram_recipients": (HERE, "test_a_chat_bound_by_two_companies_at_once_goes_to_one"),
    "delivery/bot/listener.py _only_poller": (HERE, "test_one_poller_of_a_bot"),
    "orchestration/run/worker.py Worker._lock_tenant": (BATCH, "test_a_company_has_one_run_at_a_time"),
    "orchestration/dbt/project.py deploy": (BATCH, "test_deployers_of_the_marts_take_turns"),
    "orchestration/dbt/project.py full_refresh": (BATCH, "test_deployers_of_the_marts_take_turns"),
    "orchestration/dbt/project.py _shared": (BATCH, "test_builds_share_and_a_full_refresh_is_alone"),
    "orchestration/dbt/project.py _alone": (BATCH, "test_builds_share_and_a_full_refresh_is_alone"),
    "synkro.reserve_ai_call": (HERE, "test_two_calls_do_not_count_the_same_cent"),
    "synkro.settle_ai_call": (HERE, "test_a_call_settled_twice_at_once_costs_once"),
    "synkro.chain_audit_line": ("tests/synkro/tenancy/test_audit_chain.py", "test_fifty_writers_at_once_leave_one_chain"),
    "private.take_turn": (HERE, "test_two_turns_are_told_apart"),
}  # fmt: skip

_LOCK = re.compile(
    r"\bfor (?:no key )?update\b(?!\s+(?:to|using|with check)\b)|\bfor (?:key )?share\b|\bskip locked\b|\bnowait\b"
    r"|\bpg_(?:try_)?advisory_(?:xact_)?lock(?:_shared)?\b|\block table\b",
    re.IGNORECASE,
)


# --- the list ---------------------------------------------------------------------------------------------


def locks_of_module(path: Path) -> Iterator[str]:
    """``file function`` (or the constant's name) of each text of SQL that takes a lock."""

    def walk(node: ast.AST, place: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inner = place
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{place}.{child.name}" if place else child.name
            elif not place and isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
                inner = child.targets[0].id
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if isinstance(child, ast.Constant) and isinstance(child.value, str) and _LOCK.search(child.value):
                yield f"{path.relative_to(ROOT)} {place}"
            yield from walk(child, inner)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), "")


def locks_of_sql(text: str) -> Iterator[str]:
    """Functions whose last definition takes a lock; ``a statement`` for a lock outside of any."""
    bare = re.sub(r"--[^\n]*", "", text)
    last: dict[str, str] = {}
    pattern = r"create (?:or replace )?function ([\w.]+)\(.*?\bas (\$\w*\$)(.*?)\2"
    for found in re.finditer(pattern, bare, re.DOTALL | re.IGNORECASE):
        last[found[1]] = found[3]
    yield from (name for name, body in last.items() if _LOCK.search(body))
    if _LOCK.search(re.sub(pattern, "", bare, flags=re.DOTALL | re.IGNORECASE)):
        yield "a statement"


def locks_of_the_product() -> Counter[str]:
    modules = [path for folder in PRODUCT for path in sorted((ROOT / folder).rglob("*.py"))]
    found = Counter(place for path in modules for place in locks_of_module(path))
    sql = [*sorted(migrations.FOLDER.glob("*.sql")), *sorted((ROOT / "transforms").rglob("*.sql"))]
    return found + Counter(locks_of_sql("\n".join(path.read_text(encoding="utf-8") for path in sql)))


def test_every_lock_has_its_test() -> None:
    found = locks_of_the_product()
    assert set(found) == set(TESTED)
    for place, (file, *names) in TESTED.items():
        assert len(names) >= found[place], f"{place}: a test for each of its locks"
        text = (ROOT / file).read_text(encoding="utf-8")
        assert [name for name in names if f"\ndef {name}(" not in text] == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    c.execute('select 1 from t' ' where x for update')", ["f"]),
        ("def f():\n    c.execute(f'select from {t} for no key update')", ["f"]),
        ("_Q = 'select 1 for share'", ["_Q"]),
        ("class A:\n    def f(self):\n        g('select pg_try_advisory_lock(1)')", ["A.f"]),
        ('def f():\n    """Waits for update of the row."""\n    for update in updates: pass', []),
    ],
)
def test_the_list_sees_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: list[str]) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    (tmp_path / "m.py").write_text(source)
    assert list(locks_of_module(tmp_path / "m.py")) == [f"m.py {place}" for place in found]


# --- two connections --------------------------------------------------------------------------------------


@pytest.fixture
def tenant(shared_database: str) -> UUID:
    return company()


def request(tenant_id: UUID, window: Window = WINDOW) -> runs.Run:
    with db.as_service("test") as connection:
        return runs.request(
            connection, tenant_id, window, mode="radist_only", trigger_type="system", report_type="daily"
        )[0]


def led(tenant_id: UUID) -> runs.Run:
    """A run with a living lease."""
    run = request(tenant_id)
    with db.as_service("test") as connection:
        return leases.claim(connection, run.run_id)


def draft(window: Window = WINDOW) -> reports.Draft:
    return reports.Draft(
        "daily", window, window.end.date(), window.end.date(), window.end, True, "итог", Body(), {"waits": 3}, {}, []
    )


def in_transaction(work: Callable[[db.Connection], Any]) -> Any:
    with db.as_service("second") as connection:
        return work(connection)


def test_a_run_is_not_stopped_while_its_report_is_published(tenant: UUID) -> None:
    """The lease is held until the commit: a stop that comes meanwhile finds the report there."""
    run = led(tenant)

    def stop() -> tuple[runs.Run, reports.Report | None]:
        with db.as_service("person") as connection:
            stopped = runs.request_stop(connection, tenant, run.run_id)
        with db.as_service("person") as connection:
            return stopped, reports.current(connection, tenant, WINDOW)

    with ExitStack() as stack:
        with db.as_service("publisher") as connection:
            leases.hold(connection, run)
            second = stack.enter_context(meanwhile(stop))
            until_it_waits(second, ROW)
            made = reports.publish(connection, tenant, run.run_id, draft(), [])
            leases.attach_report(connection, run, made.report_id)
        stopped, report = second.result()
    assert stopped.status == "cancelling"
    assert report is not None and report.report_id == made.report_id


def test_who_publishes_waits_for_the_reaper(tenant: UUID) -> None:
    """The run is being ended elsewhere: a publisher that saw it alive a moment ago must not go on."""
    run = led(tenant)
    with ExitStack() as stack:
        with db.as_service("reaper") as connection:
            connection.execute(
                "update synkro.job_runs set lease_until = now() - interval '1 s' where run_id = %s", (run.run_id,)
            )
            assert [ended.run_id for ended in reaper.reap(connection)] == [run.run_id]
            second = stack.enter_context(meanwhile(lambda: in_transaction(lambda c: leases.hold(c, run))))
            until_it_waits(second, ROW)
        with pytest.raises(LeaseLost):
            second.result()


def test_two_workers_claim_a_run_and_one_has_it(tenant: UUID) -> None:
    run = request(tenant)
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            held = leases.claim(connection, run.run_id)
            second = stack.enter_context(meanwhile(lambda: in_transaction(lambda c: leases.claim(c, run.run_id))))
            until_it_waits(second, ROW)
        with pytest.raises(LeaseLost):
            second.result()
    in_transaction(lambda c: leases.heartbeat(c, held))


def test_two_publishers_of_a_window_take_turns(tenant: UUID) -> None:
    neighbour = company()
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            first = reports.publish(connection, tenant, None, draft(), [])
            # another window and another company have locks of their own
            in_transaction(lambda c: reports.publish(hurried(c), tenant, None, draft(LATER), []))
            in_transaction(lambda c: reports.publish(hurried(c), neighbour, None, draft(), []))
            second = stack.enter_context(
                meanwhile(lambda: in_transaction(lambda c: reports.publish(c, tenant, None, draft(), [])))
            )
            until_it_waits(second, ADVISORY)
        assert (first.version, second.result().version) == (1, 2)
    with db.as_service("test") as connection:
        assert [v.is_current for v in reports.versions(connection, first)] == [True, False]


def save_pair(tenant_id: UUID, token: str) -> None:
    with db.as_service("test") as connection:
        integrations.save_public(connection, tenant_id, "amocrm", {"subdomain": "alpha"})
        integrations.save_secrets(connection, tenant_id, "amocrm", {"refresh_token": token})


@pytest.mark.parametrize("is_stored", [True, False])
def test_a_second_refresh_waits_for_the_first(tenant: UUID, is_stored: bool) -> None:
    """Also where no secret is stored yet: then there is the integration's row alone to wait for."""
    save_pair(tenant, "refresh-0" if is_stored else "")

    def refresh() -> dict[str, str]:
        with integrations.locked_secrets(tenant, "amocrm") as row:
            return row.secrets

    with ExitStack() as stack:
        with integrations.locked_secrets(tenant, "amocrm") as row:
            second = stack.enter_context(meanwhile(refresh))
            until_it_waits(second, ROW)
            row.save({"refresh_token": "refresh-1"})
        assert second.result() == {"refresh_token": "refresh-1"}


def test_rotation_waits_for_a_refresh(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pair renewed while the keys change is the one that is sealed anew, and a refresh waits for the rotation alike."""
    save_pair(tenant, "refresh-0")
    old = vault.current_key_id()
    new = vault.generate_key()
    monkeypatch.setenv("SYNKRO_SECRET_KEYS", f"{new},{os.environ['SYNKRO_SECRET_KEYS']}")
    settings.cache_clear()
    try:
        assert vault.current_key_id() != old
        with ExitStack() as stack:
            with integrations.locked_secrets(tenant, "amocrm") as row:
                second = stack.enter_context(meanwhile(integrations.rotate))
                until_it_waits(second, ROW)
                row.save({"refresh_token": "refresh-1"})
            second.result()
            assert integrations.secrets(tenant, "amocrm") == {"refresh_token": "refresh-1"}
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_refresh_holds_the_secrets_themselves(tenant: UUID) -> None:
    """Not the integration's row alone, which whoever re-seals a secret never touches."""
    save_pair(tenant, "refresh-0")
    with (
        integrations.locked_secrets(tenant, "amocrm"),
        pytest.raises(psycopg.errors.LockNotAvailable),
        db.as_service("second") as connection,
    ):
        connection.execute("select from private.integration_secrets where tenant_id = %s for update nowait", (tenant,))


def test_two_deployers_migrate_one_after_the_other(empty_database: str, tmp_path: Path) -> None:
    (tmp_path / "20260101000001_one.sql").write_text("create table public.one (n integer)")
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: str) -> None:
        begun.set()
        assert go_on.wait(120)

    with (
        entry_points_to(empty_database),
        meanwhile(lambda: migrations.migrate(empty_database, folder=tmp_path, progress=wait)) as first,
    ):
        assert begun.wait(120)
        with meanwhile(lambda: migrations.migrate(empty_database, folder=tmp_path)) as second:
            try:
                until_it_waits(second, ADVISORY)
            finally:
                go_on.set()
            assert [m.name for m in first.result()] == ["one"]
            assert second.result() == []


def test_a_message_queued_twice_at_once_is_one(tenant: UUID) -> None:
    def queue(connection: db.Connection, key: str = "silence") -> bool:
        return outbox.add_once(connection, tenant, "100", {"text": "т"}, key=key)

    with ExitStack() as stack:
        with db.as_service("first") as connection:
            assert queue(connection)
            assert in_transaction(lambda c: queue(hurried(c), "another key"))
            second = stack.enter_context(meanwhile(lambda: in_transaction(queue)))
            until_it_waits(second, ADVISORY)
        assert second.result() is False


def test_one_chat_uploaded_twice_at_once_is_counted_once(tenant: UUID) -> None:
    said = Message("one", WINDOW.start, "inbound", "text", {"text": "т"})

    def upload(connection: db.Connection, chat: int = 7) -> uploads.Added:
        return uploads.add(connection, tenant, Chat(chat, "Асель", None, (said,)))

    with ExitStack() as stack:
        with db.as_service("first") as connection:
            assert upload(connection) == uploads.Added(1, 0, True)
            assert in_transaction(lambda c: upload(hurried(c), 8)) == uploads.Added(1, 0, True)
            second = stack.enter_context(meanwhile(lambda: in_transaction(upload)))
            until_it_waits(second, ADVISORY)
        assert second.result() == uploads.Added(0, 1, False)


def test_two_uploads_at_once_are_two_of_an_hour(tenant: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_imports, "UPLOADS_PER_HOUR", 1)

    def upload(connection: db.Connection) -> None:
        found = tenants.by_id(connection, tenant)
        chat_imports._check_uploads(connection, found)
        audit.write(connection, chat_imports.ACTION, tenant_id=tenant)

    with ExitStack() as stack:
        with db.as_service("first") as connection:
            upload(connection)
            second = stack.enter_context(meanwhile(lambda: in_transaction(upload)))
            until_it_waits(second, ADVISORY)
        with pytest.raises(DataError, match="загрузок за час"):
            second.result()


def letters(tenant_id: UUID, count: int) -> reports.Report:
    with db.as_service("test") as connection:
        return reports.publish(
            connection, tenant_id, None, draft(), [reports.OutboxMessage(str(n), {"text": "т"}) for n in range(count)]
        )


def test_two_senders_take_two_letters(tenant: UUID) -> None:
    """The second does not wait for the first, and a third finds nothing."""
    letters(tenant, 2)
    with db.as_service("first") as first, db.as_service("second") as second, db.as_service("third") as third:
        taken = [outbox.claim(hurried(sender), tenant_id=tenant) for sender in (first, second, third)]
    assert taken[0] is not None and taken[1] is not None and taken[2] is None
    assert taken[0].outbox_id != taken[1].outbox_id


def test_a_report_that_waited_is_told_by_one_of_two(tenant: UUID) -> None:
    """The look before the delivery and the sender get there at once: the second finds nothing to tell."""
    letter = reports.OutboxMessage("100", {"text": "т"})
    with db.as_service("test") as connection:
        report, later = (
            reports.publish(connection, tenant, None, replace(draft(window), awaits_delivery=True), [])
            for window in (WINDOW, LATER)
        )

    def tell(connection: db.Connection, of: reports.Report = report) -> set[UUID]:
        held = deliveries.hold(connection, tenant, [of.report_id])
        if held:
            deliveries.told(connection, of, "т", [letter], {})
        return held

    with ExitStack() as stack:
        with db.as_service("first") as connection:
            assert tell(connection) == {report.report_id}
            # another report is nobody's yet
            assert in_transaction(lambda c: tell(hurried(c), later)) == {later.report_id}
            second = stack.enter_context(meanwhile(lambda: in_transaction(tell)))
            until_it_waits(second, ROW)
        assert second.result() == set()
    with db.as_service("test") as connection:
        assert len(outbox.of_report(connection, tenant, report.report_id)) == 1


def test_a_followup_is_queued_by_one_of_two(tenant: UUID) -> None:
    report = letters(tenant, 0)
    now = datetime.now(UTC)
    with db.as_service("test") as connection:
        revisions.note(connection, tenant, report.report_id, ["radist"], revisions.Plan(1, 3, now - DAY))
    with db.as_service("first") as first, db.as_service("second") as second:
        made = [revisions.enqueue_due(hurried(connection), now) for connection in (first, second)]
    assert [[run.tenant_id for run in one] for one in made] == [[tenant], []]


def test_a_load_waits_for_the_staging_schema(shared_database: str) -> None:
    """A run that lost its lease must not load into the schema its successor has made."""

    def landing(slug: str) -> Landing:
        made = object.__new__(Landing)
        context = SimpleNamespace(database_url=shared_database, lock_session=None)
        made._session, made._dataset = SimpleNamespace(ctx=context), "raw_radist"  # type: ignore[assignment]
        made._staging_name = f"raw_radist_stg_{slug}"
        return made

    def schemas() -> list[str]:
        with psycopg.connect(shared_database) as connection:
            rows = connection.execute("select nspname::text from pg_namespace where nspname like 'raw\\_radist\\_stg%'")
            return [row[0] for row in rows]

    def load() -> list[str]:
        with landing("alpha")._staging("heir"):
            return schemas()

    with ExitStack() as stack:
        with landing("alpha")._staging("first"):
            with landing("beta")._staging("neighbour"):
                assert len(schemas()) == 2
            second = stack.enter_context(meanwhile(load))
            until_it_waits(second, ADVISORY)
            assert schemas() == ["raw_radist_stg_alpha"]
        assert second.result() == ["raw_radist_stg_alpha"]
    assert schemas() == []


def test_an_update_is_handled_by_one_of_two(tenant: UUID) -> None:
    number = uuid4().int % 10**9
    in_transaction(lambda c: inbox.receive(c, tenant, 7, number, "100"))
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            row = inbox.receive(connection, tenant, 7, number, "100")
            second = stack.enter_context(
                meanwhile(lambda: in_transaction(lambda c: inbox.receive(c, tenant, 7, number, "100")))
            )
            until_it_waits(second, ROW)
            inbox.mark_handled(connection, row)
        assert second.result().handled


def test_two_chats_that_move_at_once_both_move(tenant: UUID) -> None:
    with db.as_service("test") as connection:
        integrations.save_public(connection, tenant, "telegram", {"chat_id": ["-1", "-2"]})
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            telegram_chats.move(connection, tenant, "-1", "-1001")
            second = stack.enter_context(
                meanwhile(lambda: in_transaction(lambda c: telegram_chats.move(c, tenant, "-2", "-1002")))
            )
            until_it_waits(second, ROW)
        second.result()
    with db.as_service("test") as connection:
        assert integrations.load(connection, tenant, "telegram").public["chat_id"] == ["-1001", "-1002"]


def test_a_chat_bound_by_two_companies_at_once_goes_to_one(tenant: UUID) -> None:
    neighbour = company()
    with db.as_service("test") as connection:
        for owner in (tenant, neighbour):
            integrations.save_secrets(connection, owner, "telegram", {"bot_token": "123456789:" + "A" * 35})

    def take(connection: db.Connection, owner: UUID) -> None:
        integrations.save_public(connection, owner, "telegram", {"chat_id": "-77001"})

    with ExitStack() as stack:
        with db.as_service("first") as connection:
            take(connection, neighbour)
            second = stack.enter_context(meanwhile(lambda: in_transaction(lambda c: take(c, tenant))))
            until_it_waits(second, ADVISORY)
        with pytest.raises(DataError, match="другой компании"):
            second.result()


def test_one_poller_of_a_bot(shared_database: str) -> None:
    with (
        listener._only_poller("7") as is_first,
        listener._only_poller("7") as is_second,
        listener._only_poller("8") as is_other,
    ):
        assert (is_first, is_second, is_other) == (True, False, True)
    with listener._only_poller("7") as is_next:
        assert is_next


# --- money and turns: the locks inside the database's own functions -------------------------------------------

CALL = spending.Sent("reading", "m", "h", 10, Decimal(1))


def test_two_calls_do_not_count_the_same_cent(tenant: UUID) -> None:
    """The installation's cap holds over companies: whoever comes second sees what the first has reserved."""
    neighbour = company()
    with db.as_service("test") as connection:
        row = connection.execute(
            "select coalesce(sum(reserved_usd + spent_usd), 0) as n from synkro.ai_spend"
        ).fetchone()
    assert row is not None
    caps = spending.Caps(Decimal(5), Decimal(5), Decimal(5), row["n"] + Decimal("1.5"))
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            assert spending.reserve(connection, tenant, None, CALL, caps)[1] == ""
            second = stack.enter_context(
                meanwhile(lambda: in_transaction(lambda c: spending.reserve(c, neighbour, None, CALL, caps)))
            )
            until_it_waits(second, ADVISORY)
        assert second.result() == (None, "installation_day")


def test_a_call_settled_twice_at_once_costs_once(tenant: UUID) -> None:
    caps = spending.Caps(Decimal(5), Decimal(5), Decimal(5), Decimal(10**6))
    call_id, _ = in_transaction(lambda c: spending.reserve(c, tenant, None, CALL, caps))
    real = spending.Settled(tokens_in=1, cost_usd=Decimal("0.25"))
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            spending.settle(connection, tenant, call_id, real)
            second = stack.enter_context(
                meanwhile(
                    lambda: in_transaction(
                        lambda c: spending.settle(c, tenant, call_id, replace(real, cost_usd=Decimal("0.5")))
                    )
                )
            )
            until_it_waits(second, ROW)
        second.result()
    with db.as_service("test") as connection:
        kept = connection.execute(
            "select s.calls, s.reserved_usd, s.spent_usd, c.cost_usd from synkro.ai_spend s join synkro.ai_calls c using (tenant_id)"
            " where tenant_id = %s",
            (tenant,),
        ).fetchall()
    assert [tuple(row.values()) for row in kept] == [(1, Decimal(0), Decimal("0.25"), Decimal("0.25"))]


def test_two_turns_are_told_apart(tenant: UUID) -> None:
    """The second reckons from the moment the rows are free, and from the turn the first has taken."""

    def take(connection: db.Connection) -> dict[str, Any]:
        row = connection.execute(
            "select granted, turn, wait from private.take_turn(%s, array[1], array[60.0], null, false, 0.06, 600)",
            ([f"account {tenant}"],),
        ).fetchone()
        assert row is not None
        return row

    in_transaction(
        lambda c: c.execute("insert into private.vendor_limits (account_key) values (%s)", (f"account {tenant}",))
    )
    with ExitStack() as stack:
        with db.as_service("first") as connection:
            first = take(connection)
            assert first["granted"]
            second = stack.enter_context(meanwhile(lambda: in_transaction(take)))
            until_it_waits(second, ROW)
            freed = clock(connection)
        late = second.result()
    assert not late["granted"] and late["turn"] == first["turn"] + timedelta(seconds=60)
    assert late["turn"] - timedelta(seconds=float(late["wait"])) > freed - timedelta(milliseconds=1)


def test_meters_are_taken_in_one_order(tenant: UUID) -> None:
    """Two callers that name two meters in different orders would end in a deadlock."""
    keys = [f"{letter} {tenant}" for letter in "ab"]
    in_transaction(
        lambda c: c.execute(
            "insert into private.vendor_limits (account_key) select unnest(%s::text[])", ([*reversed(keys)],)
        )
    )

    def take(names: list[str]) -> Any:
        return in_transaction(
            lambda c: c.execute(
                "select granted from private.take_turn(%s, array[9, 9], array[1.0, 1.0], null, false, 0.06, 600)",
                (names,),
            ).fetchone()
        )

    with ExitStack() as stack:
        with db.as_service("holder") as connection:
            connection.execute("select from private.vendor_limits where account_key = %s for update", (keys[1],))
            second = stack.enter_context(meanwhile(lambda: take([*reversed(keys)])))
            until_it_waits(second, ROW)
            with pytest.raises(psycopg.errors.LockNotAvailable), db.as_service("look") as look:
                look.execute("select from private.vendor_limits where account_key = %s for update nowait", (keys[0],))
        assert second.result()["granted"]
