"""Tenants do not see each other, by any entry point of the database; and the people who should see, do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from synkro.accounts import embedded
from synkro.connectors import integrations
from synkro.core.windows import Window
from synkro.database import db
from synkro.reporting import reconciliation
from synkro.runs import queue
from synkro.tenancy import audit, runtime_config, tenants, users

WINDOW = Window(datetime(2026, 3, 1, 17, 1, tzinfo=UTC), datetime(2026, 3, 2, 17, 1, tzinfo=UTC))
PASSWORD = "пароль для проверки"

#: what an ordinary member may not even ask for
PRIVATE = (
    "private.integration_secrets",
    "private.web_sessions",
    "private.sign_in_counters",
    "private.second_factors",
    "auth.users",
)
#: tenant tables a member reads
SHARED = (
    "tenants", "integration_configs", "tenant_runtime_configs", "working_intervals", "report_windows", "job_runs",
    "job_run_events", "reports", "report_messages", "outbox", "watermarks", "backfills", "stream_loads", "dialog_readings",
    "reconciliations",
)  # fmt: skip


@dataclass(frozen=True)
class House:
    a: UUID
    b: UUID
    user_a: UUID
    admin_a: UUID
    user_b: UUID
    operator: UUID
    stranger: UUID
    run_a: UUID
    run_b: UUID


@pytest.fixture
def house(database: str) -> House:
    with db.as_service("test") as connection:
        made = {}
        for slug in ("alpha", "beta"):
            tenant = tenants.add(connection, slug.title(), slug, "Asia/Almaty")
            runtime_config.start(connection, tenant.tenant_id, "Asia/Almaty")
            integrations.save_public(connection, tenant.tenant_id, "radist", {"company_id": 1})
            integrations.save_secrets(connection, tenant.tenant_id, "radist", {"api_key": f"key-of-{slug}-0123456789"})
            run, _ = queue.request(
                connection, tenant.tenant_id, WINDOW, mode="radist_only", trigger_type="system", report_type="daily"
            )
            queue.log(connection, run, "queued", "поставлен")
            connection.execute(
                "insert into synkro.dialog_readings (tenant_id, dialog_id, content_hash, prompt_version, model, reading)"
                " values (%s, 'd', 'h', 'p', 'm', '{}')",
                (tenant.tenant_id,),
            )
            counted = [reconciliation.Count("radist", "messages", WINDOW.end.date(), 5, {"group": 2}, 3)]
            reconciliation.save(connection, tenant.tenant_id, run.run_id, counted)
            made[slug] = (tenant.tenant_id, run.run_id)
        people = {
            name: embedded.add(connection, f"{name}@x.example", PASSWORD).user_id
            for name in ("user_a", "admin_a", "user_b", "operator", "stranger")
        }
        users.grant(connection, people["user_a"], made["alpha"][0], "user")
        users.grant(connection, people["admin_a"], made["alpha"][0], "admin_lite")
        users.grant(connection, people["user_b"], made["beta"][0], "user")
        users.grant(connection, people["operator"], None, "super_admin")
    return House(made["alpha"][0], made["beta"][0], run_a=made["alpha"][1], run_b=made["beta"][1], **people)


def seen(user: UUID, table: str) -> set[UUID]:
    with db.as_user(user) as connection:
        return {
            row["tenant_id"]
            for row in connection.execute(sql.SQL("select tenant_id from synkro.{}").format(sql.Identifier(table)))
        }


@pytest.mark.parametrize(
    "table",
    ["tenants", "tenant_runtime_configs", "integration_configs", "job_runs", "job_run_events", "dialog_readings"],
)
def test_each_person_sees_their_tenants_and_no_other(house: House, table: str) -> None:
    assert seen(house.user_a, table) == {house.a}
    assert seen(house.admin_a, table) == {house.a}
    assert seen(house.user_b, table) == {house.b}
    assert seen(house.operator, table) == {house.a, house.b}
    assert seen(house.stranger, table) == set()


def test_a_revoked_role_sees_nothing_at_once(house: House) -> None:
    with db.as_service("test") as connection:
        users.revoke(connection, house.user_a, house.a)
    assert seen(house.user_a, "job_runs") == set()
    assert seen(house.admin_a, "job_runs") == {house.a}


def test_a_banned_account_sees_nothing_even_as_operator(house: House) -> None:
    with db.as_service("test") as connection:
        connection.execute(
            "update auth.users set banned_until = now() + interval '1 day' where id = %s", (house.operator,)
        )
    assert seen(house.operator, "job_runs") == set()


@pytest.mark.parametrize("table", PRIVATE)
def test_secrets_and_sessions_are_out_of_reach(house: House, table: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.operator) as connection:
        connection.execute(f"select * from {table}")
    with db.as_service("test") as connection:
        connection.execute(f"select count(*) from {table}")


def test_raw_is_out_of_reach(house: House) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.operator) as connection:
        connection.execute("select * from raw_radist.messages")


def test_a_member_queues_a_run_for_their_own_tenant_only(house: House) -> None:
    other = Window(datetime(2026, 3, 3, 17, 1, tzinfo=UTC), datetime(2026, 3, 4, 17, 1, tzinfo=UTC))
    wanted = {"mode": "radist_only", "trigger_type": "manual", "report_type": "forced"}
    with db.as_user(house.user_a) as connection:
        run, was_made = queue.request(connection, house.a, other, requested_by=house.user_a, **wanted)
    assert was_made and run.status == "pending"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.user_b) as connection:
        queue.request(connection, house.a, other, requested_by=house.user_b, **wanted)


def test_a_member_cannot_queue_in_another_persons_name(house: House) -> None:
    other = Window(datetime(2026, 3, 5, 17, 1, tzinfo=UTC), datetime(2026, 3, 6, 17, 1, tzinfo=UTC))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.user_a) as connection:
        queue.request(
            connection, house.a, other, mode="radist_only", trigger_type="manual", report_type="forced",
            requested_by=house.admin_a,
        )  # fmt: skip


def test_stopping_a_foreign_run_changes_nothing(house: House) -> None:
    with pytest.raises(Exception, match="не найден"), db.as_user(house.user_a) as connection:
        queue.request_stop(connection, house.b, house.run_b)
    with db.as_service("test") as connection:
        assert queue.get(connection, house.run_b).status == "pending"
    with db.as_user(house.user_a) as connection:
        assert queue.request_stop(connection, house.a, house.run_a).status == "cancelled"


def test_a_member_cannot_write_what_only_a_worker_writes(house: House) -> None:
    for statement in (
        "update synkro.job_runs set error = 'x'",
        "insert into synkro.reports (tenant_id) values ('{a}')",
        "insert into synkro.job_run_events (tenant_id, run_id, step, message) values ('{a}', '{run}', 's', 'm')",
        "update synkro.watermarks set complete_until = now()",
        "delete from synkro.job_runs",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.admin_a) as connection:
            connection.execute(statement.format(a=house.a, run=house.run_a))


def test_settings_belong_to_administrators(house: House) -> None:
    with db.as_user(house.admin_a) as connection:
        assert runtime_config.change(connection, house.a, {"sla_target_minutes": "20"}, house.admin_a).version == 2
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.user_a) as connection:
        connection.execute(
            "insert into synkro.tenant_runtime_configs (tenant_id, version, is_current, timezone, created_by)"
            " values (%s, 9, false, 'UTC', %s)",
            (house.a, house.user_a),
        )
    with db.as_user(house.user_a) as connection:
        assert runtime_config.current(connection, house.a).sla_target_minutes == 20


def test_an_administrator_makes_no_operator(house: House) -> None:
    with db.as_user(house.admin_a) as connection:
        users.grant(connection, house.stranger, house.a, "user", created_by=house.admin_a)
    assert seen(house.stranger, "tenants") == {house.a}
    for tenant, role in ((None, "super_admin"), (house.b, "admin_lite")):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.admin_a) as connection:
            users.grant(connection, house.stranger, tenant, role, created_by=house.admin_a)  # type: ignore[arg-type]


def test_a_row_cannot_be_moved_to_another_tenant(house: House) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), db.as_user(house.admin_a) as connection:
        connection.execute("update synkro.integration_configs set tenant_id = %s", (house.b,))


def test_the_audit_log_cannot_be_changed(house: House) -> None:
    with db.as_service("test") as connection:
        audit.write(connection, "test.done", tenant_id=house.a, actor="test")
        assert [entry.action for entry in audit.recent(connection, tenant_id=house.a)] == ["test.done"]
    for door in (lambda: db.as_service("test"), lambda: db.as_user(house.operator)):
        for statement in ("delete from synkro.audit_log", "update synkro.audit_log set message = ''"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), door() as connection:
                connection.execute(statement)
    with psycopg.connect(db.owner_url()) as owner, pytest.raises(psycopg.errors.InsufficientPrivilege):
        owner.execute("delete from synkro.audit_log")


def test_claims_leave_with_their_transaction(house: House) -> None:
    for _ in range(50):
        assert seen(house.user_a, "tenants") == {house.a}
        with pytest.raises(ZeroDivisionError), db.as_user(house.operator):
            _ = 1 / 0
        assert seen(house.user_b, "tenants") == {house.b}


def test_no_claims_no_rows(house: House) -> None:
    with db._transaction("authenticated", {}, "test") as connection:
        assert connection.execute("select * from synkro.job_runs").fetchall() == []
