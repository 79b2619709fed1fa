"""The services as plain functions: the right person succeeds on the very row on which the stranger is refused."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from app import auth, spreadsheets
from services import access, audit_log, companies, overview
from services.access import Forbidden, Viewer
from services.people import members, profile
from services.reports import dashboards, questions, rows, runs, transcripts
from services.reports import view as report_view
from services.settings import calendars, configuration
from synkro.connectors import checks, integrations
from synkro.core import clock
from synkro.core.errors import DataError, NotFoundError, SynkroError
from synkro.core.windows import Window
from synkro.database import db
from synkro.metrics import queries
from synkro.metrics.registry import NUMBERS
from synkro.reporting import spending
from synkro.reporting.delivery import outbox, telegram_chats
from synkro.runs import queue
from synkro.tenancy import audit, tenants, users
from synkro.tenancy.pipelines import Pipeline
from tests.app.fixtures import HOSTILE, SECRET, World

Who = Callable[[str], Viewer]


def test_reading_is_for_the_tenants_people(world: World, who: Who) -> None:
    report = world.reports["alpha"].report_id
    questions.ask(who("user"), "alpha", report, "Что нового?")
    reads: list[Callable[[Viewer], object]] = [
        lambda viewer: runs.listing(viewer, "alpha"),
        lambda viewer: report_view.load(viewer, "alpha", report),
        lambda viewer: rows.behind(viewer, "alpha", report, "messages"),
        lambda viewer: transcripts.load(viewer, "alpha", "alpha:d/0"),
        lambda viewer: dashboards.load(viewer, "alpha"),
        lambda viewer: spreadsheets.report_csv(viewer, "alpha", report, "numbers"),
        lambda viewer: questions.thread(viewer, "alpha", report),
        lambda viewer: runs.run_of(viewer, world.runs["failed"].run_id),
    ]
    for read in reads:
        for name in ("user", "admin", "operator"):
            assert read(who(name))
        for name in ("stranger", "nobody"):
            with pytest.raises(NotFoundError):
                read(who(name))


def test_a_viewer_that_lies_about_tenants_still_sees_nothing(world: World, who: Who) -> None:
    """The database, not the viewer object, decides: a forged list of tenants opens no row."""
    liar = replace(who("stranger"), tenants=(world.tenants["alpha"],), is_operator=True)
    assert runs.listing(who("user"), "alpha").reports
    with pytest.raises(SynkroError):
        runs.listing(liar, "alpha")
    with pytest.raises(NotFoundError):
        report_view.load(liar, "alpha", world.reports["alpha"].report_id)
    for write in (
        lambda: configuration.save_runtime(liar, "alpha", {"sla_target_minutes": 1}),
        lambda: configuration.save_integration(
            liar, "alpha", "radist", {"company_id": "1"}, {"api_key": "stolen-key-000000"}
        ),
        lambda: configuration.check_integration(liar, "alpha", "amocrm"),
        lambda: members.invite(liar, "alpha", "evil@example.com", "", "admin_lite"),
        lambda: members.revoke(liar, "alpha", world.people["user"].user_id),
        lambda: companies.add_tenant(liar, "X", "xtenant", "Asia/Almaty"),
        lambda: companies.set_status(liar, "alpha", "paused"),
    ):
        with pytest.raises(Forbidden):
            write()


def test_overview(world: World, who: Who) -> None:
    cards = {card.tenant.slug: card for card in overview.cards(who("admin"))}
    assert set(cards) == {"alpha", "gamma"}
    alpha = cards["alpha"]
    assert alpha.active and alpha.active.run_id == world.runs["running"].run_id
    assert alpha.broken == {"amocrm": "amoCRM отказал: токен отозван."} and alpha.currency == "KZT"
    assert set(alpha.freshness) == {"amocrm", "radist"} and not alpha.is_stale
    assert not cards["gamma"].is_connected and cards["gamma"].report is None
    assert overview.cards(who("nobody")) == []
    assert {card.tenant.slug for card in overview.cards(who("operator"))} >= {"alpha", "beta", "gamma"}


def test_rows_are_those_the_number_counts(world: World, who: Who) -> None:
    report = world.reports["alpha"].report_id
    summary = {key: rows.behind(who("user"), "alpha", report, key, limit=1000) for key in NUMBERS}
    counts = {key: found.total for key, found in summary.items()}
    assert counts["messages"] == counts["client_messages"] + counts["manager_messages"] + counts["bot_messages"] == 42
    assert counts["waits"] == counts["sessions"] == counts["dialogs"] == counts["clients"] == 13
    assert counts["unanswered_now"] == counts["unanswered_overdue"] == counts["deals_at_risk"] == 5
    assert counts["waits_answered"] == counts["first_response_n"] == 8
    at_risk = sum(row["price"] for row in summary["money_at_risk"].rows)
    with db.as_user(who("user").user_id) as connection:
        row = connection.execute(
            "select money_at_risk from marts.period_summary where window_start = %s and window_end = %s",
            (world.window.start, world.window.end),
        ).fetchone()
    assert row and at_risk == row["money_at_risk"]
    first, second = (rows.behind(who("user"), "alpha", report, "messages", page) for page in (1, 2))
    assert (len(first.rows), first.total, first.pages, second.rows) == (42, 42, 1, [])


def test_transcript_marks_waits_and_pages(world: World, who: Who) -> None:
    waits = transcripts.load(who("user"), "alpha", "alpha:d/0")
    assert [m.kind for m in waits.messages] == ["client", "bot"]
    assert waits.opened["alpha0-0"].is_open and waits.closed == {}
    answered = transcripts.load(who("user"), "alpha", "alpha:d/1")
    assert answered.closed["alpha1-2"].minutes == 10 and not answered.opened["alpha1-0"].is_open
    assert answered.currency == "KZT" and len(answered.days()) >= 1
    assert transcripts.load(who("user"), "alpha", "alpha:d/1", 99).page == 1


def test_forced_window_limits_are_the_configs(world: World, who: Who) -> None:
    now = clock.now()
    config = runs.listing(who("user"), "alpha").config
    choices = runs.day_choices(config, now)
    assert choices and choices[0][1] == runs.last_closed(config, now)
    for _, window in choices:
        assert runs._type_of(window, config) == "daily"
    for start, end, word in (
        (now - timedelta(days=30), now - timedelta(days=29, hours=10), "слишком давно"),
        (now - timedelta(hours=40), now - timedelta(hours=2), "сократите"),
        (now - timedelta(hours=2), now + timedelta(hours=2), "ещё не закончилось"),
        (now - timedelta(hours=2), now - timedelta(hours=3), "позже начала"),
    ):
        with pytest.raises(DataError, match=word):
            runs.request(who("user"), "alpha", start.isoformat(), end.isoformat())
    with pytest.raises(DataError, match="from"):
        runs.request(who("user"), "alpha", "'; drop table", "2026-01-01")


def test_progress_speaks_of_silence(world: World) -> None:
    run = world.runs["running"]
    fresh = replace(run, status="running", heartbeat_at=datetime.now(UTC))
    assert runs.silence(fresh) is None
    quiet = runs.silence(replace(fresh, heartbeat_at=datetime.now(UTC) - timedelta(minutes=4)))
    assert quiet is not None and 3.9 < quiet < 4.2
    waiting = replace(run, status="pending", picked_at=None, created_at=datetime.now(UTC) - timedelta(minutes=2))
    assert runs.silence(waiting) is not None
    shares = [
        runs.percent(replace(run, current_step=step, progress={"done": 1, "total": 2}))
        for step in ("queued", "sources", "marts", "readings", "report", "delivery", "done")
    ]
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_progress_is_empty_for_a_stranger(world: World) -> None:
    alpha = world.tenants["alpha"].tenant_id
    assert runs.progress(world.people["user"].user_id, alpha).runs
    foreign = runs.progress(world.people["stranger"].user_id, alpha)
    assert (foreign.runs, foreign.events) == ([], {})


def test_stop_and_retry_are_for_members(world: World, who: Who) -> None:
    failed = world.runs["failed"].run_id
    with pytest.raises(NotFoundError):
        runs.retry(who("stranger"), failed)
    again, made = runs.retry(who("user"), failed)
    assert made and again.attempt == 2 and again.requested_by == who("user").user_id
    with pytest.raises(NotFoundError):
        runs.stop(who("stranger"), again.run_id)
    assert runs.stop(who("user"), again.run_id).status == "cancelled"


# --- settings ---------------------------------------------------------------------------------------------


def test_settings_are_for_administrators(world: World, who: Who) -> None:
    assert configuration.load(who("admin"), "alpha").config.sla_target_minutes
    with pytest.raises(Forbidden):
        configuration.load(who("user"), "alpha")
    with pytest.raises(NotFoundError):
        configuration.load(who("stranger"), "alpha")
    with pytest.raises(Forbidden):
        configuration.save_runtime(who("user"), "alpha", {"sla_target_minutes": 5})
    with pytest.raises(Forbidden):
        configuration.save_integration(who("user"), "alpha", "radist", {}, {"api_key": "x" * 20})


def test_runtime_versions_and_messages(world: World, who: Who) -> None:
    admin = who("admin")
    before = configuration.load(admin, "gamma")
    assert configuration.save_runtime(admin, "gamma", {"sla_target_minutes": "15"}).version == before.config.version
    after = configuration.save_runtime(
        admin,
        "gamma",
        {
            "sla_target_minutes": "20",
            "excluded_phones": "+7 701 555 00 01, 87015550002",
            "bot_senders": "Робот Синица, bot@alpha.example",
        },
    )
    assert after.version == before.config.version + 1 and after.sla_target_minutes == 20
    assert after.excluded_phones == ["+77015550001", "+77015550002"]
    assert after.bot_senders == ["Робот Синица", "bot@alpha.example"]
    view = configuration.load(admin, "gamma")
    assert [row["version"] for row in view.versions] == [2, 1] and view.versions[0]["author"] == "Admin"
    wrong = configuration.validate(
        {
            "sla_target_minutes": "0",
            "timezone": "+05:00",
            "mode": "x",
            "scheduled_run_time": "25:00",
            "session_gap_hours": "24",
        }
    )
    assert set(wrong) == {"sla_target_minutes", "timezone", "mode", "scheduled_run_time"}


def test_every_runtime_key_is_on_the_form() -> None:
    from synkro.tenancy.runtime_config import RuntimeConfig

    keys = set(RuntimeConfig.__dataclass_fields__) - {"version"}
    assert keys == {*configuration.RUNTIME_FIELDS, "calendar"}


def test_a_secret_goes_in_and_never_comes_out(world: World, who: Who) -> None:
    admin = who("admin")
    secret = "canary-radist-key-77aa88bb"
    saved = configuration.save_integration(
        admin, "gamma", "radist", {"company_id": " 205 "}, {"api_key": f" {secret} "}
    )
    assert saved.public == {"company_id": "205"} and saved.hints["api_key"]["tail"] == "88bb"
    assert secret not in repr(configuration.load(admin, "gamma"))
    gamma = world.tenants["gamma"].tenant_id
    assert integrations.secrets(gamma, "radist") == {"api_key": secret}
    configuration.save_integration(admin, "gamma", "radist", {"company_id": "206"}, {"api_key": ""})
    assert integrations.secrets(gamma, "radist") == {"api_key": secret}, "an empty field leaves it alone"
    with db.as_user(admin.user_id) as connection:
        entries = [e for e in audit.recent(connection, tenant_id=gamma) if e.action.startswith("integration.")]
    assert [(e.action, e.metadata) for e in reversed(entries)] == [
        ("integration.saved", {"kind": "radist", "public": {"company_id": [None, "205"]}}),
        ("integration.secrets_saved", {"kind": "radist", "secrets": ["api_key"]}),
        ("integration.saved", {"kind": "radist", "public": {"company_id": ["205", "206"]}}),
    ]
    assert secret not in repr(entries)
    assert integrations.secrets(world.tenants["alpha"].tenant_id, "amocrm") == {"access_token": SECRET}


def test_a_secret_is_not_saved_without_its_line(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line fails after the secret was written: neither stays."""
    admin, gamma = who("admin"), world.tenants["gamma"].tenant_id

    def refuse(connection: db.Connection, action: str, **line: Any) -> None:
        if "secret" in action:
            raise DataError("Журнал не пишется.")

    configuration.save_integration(admin, "gamma", "radist", {}, {"api_key": "canary-radist-key-before-1"})
    monkeypatch.setattr(audit, "write", refuse)
    with pytest.raises(DataError):
        configuration.save_integration(admin, "gamma", "radist", {}, {"api_key": "canary-radist-key-after-22"})
    assert integrations.secrets(gamma, "radist") == {"api_key": "canary-radist-key-before-1"}


def test_the_company_sees_that_an_operator_looked(world: World, who: Who) -> None:
    gamma = world.tenants["gamma"].tenant_id
    for person in ("operator", "admin"):
        audit_log.note_look(who(person), "gamma", f"/t/gamma/reports?{person}")
    audit_log.note_look(who("operator"), gamma, "/api/v1/runs/1")
    audit_log.note_look(who("operator"), "no-such-company", "/t/no-such-company/reports")
    shown = [e for e in audit_log.audit_page(who("admin"), "gamma").entries if e.action == "operator.looked"]
    assert [(e.message, e.actor) for e in reversed(shown)] == [
        ("/t/gamma/reports?operator", who("operator").user.email),
        ("/api/v1/runs/1", who("operator").user.email),
    ]


def test_changed_settings_are_told_with_both_values(world: World, who: Who) -> None:
    before = configuration.load(who("admin"), "gamma").config.sla_target_minutes
    changed = {"sla_target_minutes": "21", "excluded_phones": "+77010000055"}
    configuration.save_runtime(who("admin"), "gamma", changed)
    entry = audit_log.audit_page(who("admin"), "gamma").entries[0]
    assert entry.metadata["changed"]["sla_target_minutes"] == [str(before), "21"]
    assert "7010000055" not in str(entry.metadata) and "0055" in str(entry.metadata["changed"]["excluded_phones"])


def test_the_log_is_exported_to_those_who_read_it(world: World, who: Who) -> None:
    configuration.save_runtime(who("admin"), "gamma", {"sla_target_minutes": "22"})
    name, text = spreadsheets.audit_csv(who("admin"), "gamma")
    assert name == "synkro-audit-gamma.csv" and "runtime.changed" in text and world.tenants["gamma"].name in text
    with pytest.raises(access.Forbidden):
        spreadsheets.audit_csv(who("user"), None)
    with pytest.raises(NotFoundError):
        spreadsheets.audit_csv(who("stranger"), "gamma")
    assert audit_log.audit_page(who("admin"), "gamma").entries[0].action == "audit.exported"


def test_a_token_in_a_public_field_is_refused(world: World, who: Who) -> None:
    with pytest.raises(DataError, match="токен"):
        configuration.save_integration(
            who("admin"), "gamma", "telegram", {"chat_id": "123456789:AAErKk0e8pl-4VxSANcP0x3Q5zQb3bq9abc"}, {}
        )
    with pytest.raises(DataError, match="не число"):
        configuration.save_integration(who("admin"), "gamma", "ai", {"monthly_cap_usd": "много"}, {})


def test_a_chat_is_bound_by_a_code_and_not_by_a_number(world: World, who: Who) -> None:
    """Neither by the form nor past it; the recipients there are stay when the rest is saved."""
    admin, gamma = who("admin"), world.tenants["gamma"].tenant_id
    for typed in ("-1001", "-1001, 42", "@channel"):
        with pytest.raises(DataError, match="кодом"):
            configuration.save_integration(admin, "gamma", "telegram", {"chat_id": typed}, {})
    with db.as_user(admin.user_id) as connection, pytest.raises(DataError, match="кодом"):
        integrations.save_public(connection, gamma, "telegram", {"chat_id": "-66001"}, admin.user_id)
    configuration.save_integration(admin, "gamma", "telegram", {}, {})
    with db.as_user(admin.user_id) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(
            "update synkro.integration_configs set public_config = '{\"chat_id\": [-66001]}'"
            " where tenant_id = %s and kind = 'telegram'",
            (gamma,),
        )
    assert "chat_id" not in configuration.form_fields("telegram")[0]
    configuration.save_integration(admin, "gamma", "telegram", {}, {"bot_token": "123456789:" + "A" * 35})
    made = configuration.telegram_code(admin, "gamma")
    with db.as_service("test") as connection:
        assert telegram_chats.bind(connection, gamma, made.code, "-66001", "Отдел", "Сауле") == "bound"
    saved = configuration.save_integration(admin, "gamma", "telegram", {}, {})
    assert telegram_chats.chats(saved.public) == [telegram_chats.Chat("-66001", "Отдел")]
    left = configuration.unbind_chat(admin, "gamma", "-66001")
    assert telegram_chats.ids(left.public) == []
    with db.as_user(admin.user_id) as connection:
        lines = [entry.action for entry in audit.recent(connection, tenant_id=gamma)][:3]
    assert lines == ["telegram.unbound", "integration.saved", "telegram.bound"]


def test_check_stores_what_the_vendor_said(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = who("admin")

    def good(tenant_id: object, public: object, secrets: dict[str, str], allow_local: bool) -> dict[str, object]:
        assert secrets == {"access_token": SECRET}
        return {"account_id": 7, "name": "Алатау"}

    monkeypatch.setitem(checks.CHECKS, "amocrm", good)
    checked = configuration.check_integration(admin, "alpha", "amocrm")
    assert checked.is_ok and checked.integration.status == "ok" and checked.integration.bound["name"] == "Алатау"

    def bad(*_: object) -> dict[str, object]:
        raise SynkroError(f"Токен {SECRET} не подошёл")

    monkeypatch.setitem(checks.CHECKS, "amocrm", bad)
    checked = configuration.check_integration(admin, "alpha", "amocrm")
    assert not checked.is_ok and checked.integration.status == "error"
    assert SECRET not in checked.message and SECRET not in (checked.integration.last_error or "")
    with pytest.raises(Forbidden):
        configuration.check_integration(who("user"), "alpha", "amocrm")


def joined(who: Who, slug: str, name: str, role: str) -> None:
    """The person accepts an invitation of an administrator."""
    person = who(name).user
    invited = members.invite(who("admin"), slug, person.email, "", role)
    auth.accept(invited.link.rpartition("/")[2], person, None)


def test_people_are_invited_changed_and_let_go(world: World, who: Who) -> None:
    admin, stranger = who("admin"), who("stranger").user
    joined(who, "gamma", "stranger", "user")
    assert access.viewer(stranger).roles[world.tenants["gamma"].tenant_id] == "user"
    with pytest.raises(DataError, match="уже есть роль"):
        members.invite(admin, "gamma", "Stranger@example.com", "", "user")
    members.change_role(admin, "gamma", stranger.user_id, "admin_lite")
    assert access.viewer(stranger).is_admin(world.tenants["gamma"].tenant_id)
    members.revoke(admin, "gamma", stranger.user_id)
    assert world.tenants["gamma"].tenant_id not in access.viewer(stranger).roles
    with pytest.raises(DataError, match="последний администратор"):
        members.revoke(admin, "gamma", admin.user_id)
    for role in ("super_admin", "owner", ""):
        with pytest.raises(DataError, match="роль"):
            members.invite(admin, "gamma", f"{uuid4().hex}@example.com", "", role)
    with pytest.raises(Forbidden):
        members.invite(who("user"), "alpha", "x@example.com", "", "user")


def test_a_right_taken_away_is_gone_at_once(world: World, who: Who) -> None:
    """The viewer of an open page still claims the right; the transaction that writes asks again."""
    joined(who, "gamma", "user", "admin_lite")
    stale = who("user")
    configuration.save_runtime(stale, "gamma", {"session_gap_hours": 30})
    members.revoke(who("admin"), "gamma", stale.user_id)
    with pytest.raises((Forbidden, NotFoundError)):
        configuration.save_runtime(stale, "gamma", {"session_gap_hours": 31})
    assert configuration.load(who("admin"), "gamma").config.session_gap_hours == 30


# --- operator, profile, audit -----------------------------------------------------------------------------


def test_the_operator_adds_and_pauses(world: World, who: Who) -> None:
    operator = who("operator")
    slug = f"t{uuid4().hex[:10]}"
    made = companies.add_tenant(operator, "Ещё одна", slug, "Europe/Moscow")
    assert configuration.load(who("operator"), slug).config.timezone == "Europe/Moscow"
    with pytest.raises(DataError, match="уже занят"):
        companies.add_tenant(operator, "Ещё одна", slug, "Europe/Moscow")
    with pytest.raises(DataError, match="часовой пояс"):
        companies.add_tenant(operator, "Ещё", f"x{slug}", "UTC+5")
    assert companies.set_status(who("operator"), slug, "paused").status == "paused"
    with pytest.raises(DataError, match="паузе"):
        runs.request(who("operator"), slug, "2026-01-01T00:00", "2026-01-01T01:00")
    assert {line.tenant.slug for line in companies.installation(who("operator")).tenants} >= {slug, "alpha"}
    for name in ("admin", "user", "stranger"):
        with pytest.raises(Forbidden):
            companies.installation(who(name))
    assert made.slug == slug


def test_the_operator_edits_a_company_and_its_clock(world: World, who: Who) -> None:
    slug = f"t{uuid4().hex[:10]}"
    made = companies.add_tenant(who("operator"), "Прежнее", slug, "Asia/Almaty")
    edited = companies.edit(who("operator"), slug, name=" Новое ", timezone="Europe/Berlin")
    assert (edited.name, edited.timezone, edited.slug) == ("Новое", "Europe/Berlin", slug)
    view = configuration.load(who("operator"), slug)
    # one clock: the settings' own, a version more
    assert (view.config.timezone, view.tenant.timezone, view.config.version) == ("Europe/Berlin", "Europe/Berlin", 2)
    companies.edit(who("operator"), slug, name="Новое", timezone="Europe/Berlin")
    for name, zone in (("  ", "Asia/Almaty"), ("Иное", "UTC+5")):
        with pytest.raises(DataError):
            companies.edit(who("operator"), slug, name=name, timezone=zone)
    with db.as_service("test") as connection:
        lines = connection.execute(
            "select action from synkro.audit_log where tenant_id = %s order by audit_id", (made.tenant_id,)
        ).fetchall()
        again = tenants.by_id(connection, made.tenant_id)
    assert [line["action"] for line in lines] == ["tenant.added", "tenant.renamed", "runtime.changed"]
    assert (again.name, again.timezone) == ("Новое", "Europe/Berlin"), "a wrong zone changes no name"


def test_a_disabled_company_is_closed(world: World, who: Who) -> None:
    """Its people do not see it, its runs are stopped, its letters are not sent; its schedule and its bot are silent."""
    slug = f"t{uuid4().hex[:10]}"
    made = companies.add_tenant(who("operator"), "Закрытая", slug, "Asia/Almaty")
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    with db.as_service("test") as connection:
        users.grant(connection, who("stranger").user_id, made.tenant_id, "admin_lite")
        run, _ = queue.request(
            connection, made.tenant_id, window, mode="amocrm_radist", trigger_type="system", report_type="daily"
        )
        outbox.add_once(connection, made.tenant_id, "-1", {"text": "письмо"}, key="одно")
    assert slug in {one.slug for one in who("stranger").tenants}

    assert companies.set_status(who("operator"), slug, "disabled").status == "disabled"

    assert slug not in {one.slug for one in who("stranger").tenants}
    with pytest.raises(NotFoundError):
        configuration.load(who("stranger"), slug)
    with pytest.raises(DataError, match="отключена"):
        runs.request(who("operator"), slug, "2026-01-01T00:00", "2026-01-01T01:00")
    with db.as_service("test") as connection:
        assert queue.get(connection, run.run_id).status == "cancelled"
        (letter,) = connection.execute(
            "select status, last_error from synkro.outbox where tenant_id = %s", (made.tenant_id,)
        ).fetchall()
        assert letter["status"] == "failed" and "отключена" in letter["last_error"]
        # what a run under way queues after that
        outbox.add_once(connection, made.tenant_id, "-1", {"text": "письмо"}, key="другое")
        assert outbox.claim(connection, tenant_id=made.tenant_id) is None
    companies.set_status(who("operator"), slug, "active")
    assert slug in {one.slug for one in who("stranger").tenants}
    with db.as_service("test") as connection:
        assert outbox.claim(connection, tenant_id=made.tenant_id) is not None


def test_the_operator_sees_what_the_ai_costs(world: World, who: Who) -> None:
    made = companies.add_tenant(who("operator"), "Расходы", f"t{uuid4().hex[:10]}", "Asia/Almaty")
    caps = spending.Caps(Decimal(1), Decimal(5), Decimal(5), Decimal(1000))

    def sent(purpose: str) -> spending.Sent:
        return spending.Sent(purpose, "model-x", "0" * 16, 100, Decimal("0.50"))

    with db.as_service("test") as connection:
        before = companies.installation(who("operator")).spent_today
        for cost in ("0.10", "0.30"):
            call, over = spending.reserve(connection, made.tenant_id, None, sent("reading"), caps)
            assert call is not None, over
            spending.settle(connection, made.tenant_id, call, spending.Settled(900, 90, Decimal(cost)))
        # on its way: its reserve is spent until the provider's answer says otherwise
        assert spending.reserve(connection, made.tenant_id, None, sent("asking"), caps)[0]
        spending.refused(connection, made.tenant_id, None, sent("asking"), "call")

    view = companies.installation(who("operator"))
    spend = next(line.spend for line in view.tenants if line.tenant.tenant_id == made.tenant_id)
    assert spend is not None
    assert (spend.today, spend.month) == (Decimal("0.90"), Decimal("0.90"))
    assert (spend.calls_today, spend.refused_today, spend.model) == (2, 1, "model-x")
    assert (spend.call_mean, spend.call_most, spend.last_report) == (Decimal("0.2"), Decimal("0.30"), None)
    assert view.spent_today - before == Decimal("0.90")
    assert set(view.caps) == {"call", "report", "tenant_day", "installation_day"}


def test_profile(world: World, who: Who) -> None:
    saved = profile.save_profile(who("nobody"), " Имя ", "8 701 555 77 66", "Asia/Tashkent", "en")
    assert (saved.full_name, saved.phone, saved.language) == ("Имя", "+77015557766", "en")
    for name, phone, zone, language in (
        ("x" * 300, "", "Asia/Almaty", "ru"),
        ("x", "12", "Asia/Almaty", "ru"),
        ("x", "", "+05:00", "ru"),
        ("x", "", "Asia/Almaty", "kk"),
    ):
        with pytest.raises(DataError):
            profile.save_profile(who("nobody"), name, phone, zone, language)


def test_audit_is_for_administrators_and_pages(world: World, who: Who) -> None:
    admin = who("admin")
    for number in range(audit_log.PAGE + 5):
        with db.as_user(admin.user_id) as connection:
            audit.write(
                connection, "profile.changed", actor_id=admin.user_id, actor="a", message=str(number),
                tenant_id=world.tenants["alpha"].tenant_id,
            )  # fmt: skip
    first = audit_log.audit_page(admin, "alpha")
    assert len(first.entries) == audit_log.PAGE and first.next_before == first.entries[-1].audit_id
    second = audit_log.audit_page(admin, "alpha", first.next_before)
    assert second.entries and second.entries[0].audit_id < first.entries[-1].audit_id
    assert all(entry.tenant_id == world.tenants["alpha"].tenant_id for entry in first.entries)
    with pytest.raises(Forbidden):
        audit_log.audit_page(who("user"))
    with pytest.raises(NotFoundError):
        audit_log.audit_page(who("stranger"), "alpha")
    assert world.tenants["alpha"].tenant_id not in {e.tenant_id for e in audit_log.audit_page(who("stranger")).entries}


# --- questions and exports --------------------------------------------------------------------------------


def test_questions_are_kept_and_answered(world: World, who: Who) -> None:
    report = world.reports["alpha"].report_id
    asked = questions.ask(who("user"), "alpha", report, " Сколько клиентов без ответа? ")
    assert asked.question == "Сколько клиентов без ответа?" and asked.answer is None
    found = questions.answer(who("user"), "alpha", asked)
    assert found.text
    stored = questions.thread(who("user"), "alpha", report)[-1]
    assert stored.answer == found.text and stored.channel == "web"
    with pytest.raises(DataError):
        questions.ask(who("user"), "alpha", report, "  ")
    with pytest.raises(NotFoundError):
        questions.ask(who("stranger"), "alpha", report, "что?")
    with pytest.raises(NotFoundError):
        questions.answer(who("stranger"), "alpha", asked)


def test_a_long_dialog_is_read_in_pages(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole and in order over its pages; the page of a cited message is found; waits stand where they stood."""
    whole = transcripts.load(who("user"), "alpha", "alpha:d/1")
    assert whole.pages == 1 and whole.total == len(whole.messages) >= 2
    monkeypatch.setattr(transcripts, "PAGE_SIZE", 1)
    pages = [transcripts.load(who("user"), "alpha", "alpha:d/1", number) for number in range(1, whole.total + 1)]
    assert [page.messages[0] for page in pages] == whole.messages
    assert {key: wait for page in pages for key, wait in page.closed.items()} == whole.closed
    assert {key: wait for page in pages for key, wait in page.opened.items() if key == page.messages[0].message_id} == {
        key: wait for key, wait in whole.opened.items() if key in {one.message_id for one in whole.messages}
    }
    assert transcripts.load(who("user"), "alpha", "alpha:d/1").page == whole.total, "the end is shown first"
    for number, message in enumerate(whole.messages, 1):
        cited = transcripts.load(who("user"), "alpha", "alpha:d/1", message_id=message.message_id)
        assert (cited.page, cited.messages) == (number, [message])
    assert transcripts.load(who("user"), "alpha", "alpha:d/1", 2, "no such message").page == 2


def test_the_queue_of_a_company_is_capped(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again, a window gives its waiting run; a new one beyond the cap is refused in words; a place frees it."""
    config = configuration.load(who("admin"), "gamma").config
    windows = [window for _, window in runs.day_choices(config)][:2]
    monkeypatch.setattr(queue, "MOST_WAITING", 1)

    def ask(number: int) -> tuple[queue.Run, bool]:
        window = windows[number]
        return runs.request(who("admin"), "gamma", window.start.isoformat(), window.end.isoformat())

    first, made = ask(0)
    again, was_made = ask(0)
    assert made and again.run_id == first.run_id and not was_made
    with pytest.raises(DataError, match="Больше 1 сразу не принимаем"):
        ask(1)
    with db.as_service("test") as connection:
        scheduled, is_new = queue.request(
            connection, first.tenant_id, windows[1], mode="radist_only", trigger_type="scheduled", report_type="daily"
        )
    assert is_new, "the schedule is not counted"
    for run in (first, scheduled):
        runs.stop(who("admin"), run.run_id)
    second, made = ask(1)
    assert made
    runs.stop(who("admin"), second.run_id)


def test_a_profile_of_who_has_left_is_not_shown(world: World, who: Who) -> None:
    admin, left = who("admin"), world.people["newcomer"].user_id
    alpha = world.tenants["alpha"].tenant_id

    def seen() -> bool:
        with db.as_user(admin.user_id) as connection:
            rows = connection.execute("select from synkro.user_profiles where user_id = %s", (left,)).fetchall()
        return bool(rows)

    assert seen()
    with db.as_service("test") as connection:
        connection.execute(
            "update synkro.user_roles set is_active = false where user_id = %s and tenant_id = %s", (left, alpha)
        )
    try:
        assert not seen()
    finally:
        with db.as_service("test") as connection:
            connection.execute(
                "update synkro.user_roles set is_active = true where user_id = %s and tenant_id = %s", (left, alpha)
            )


def test_the_export_of_waits_is_of_everyone(world: World, who: Who, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def waiting(*_: Any, limit: int | None = 200) -> list[Any]:
        asked.append(limit)
        return []

    monkeypatch.setattr(queries, "waiting", waiting)
    _, text = spreadsheets.report_csv(who("user"), "alpha", world.reports["alpha"].report_id, "waits")
    assert asked == [None] and len(text.splitlines()) == 1


def test_export_is_csv_without_formulas(world: World, who: Who) -> None:
    name, text = spreadsheets.report_csv(who("user"), "alpha", world.reports["alpha"].report_id, "waits")
    table = list(csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=";"))
    assert name.endswith("-waits.csv") and len(table) == 6
    assert any(HOSTILE[0] in cell for row in table for cell in row)
    title, since = table[0], [row[2] for row in table[1:]]
    assert title[2].endswith("(Asia/Almaty)") and all(
        re.fullmatch(r"\d\d\.\d\d\.\d{4} \d\d:\d\d", moment) for moment in since
    )
    risk = sum(float(row[8].replace(",", ".")) for row in table[1:] if row[8])
    assert risk == world.reports["alpha"].numbers["money_at_risk"] > 0, "a column of money adds up to the number"
    assert "7015551234" not in text and "•••• 1234" in text
    _, numbers = spreadsheets.report_csv(who("user"), "alpha", world.reports["alpha"].report_id, "numbers")
    assert "8750000" in numbers and not re.search(r'"-?\d+\.\d+"', numbers), "a decimal comma"
    with db.as_user(who("admin").user_id) as connection:
        assert audit.recent(connection, tenant_id=world.tenants["alpha"].tenant_id)[0].action == "report.exported"


@given(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            lambda lead, sign, rest: lead + sign + rest,
            st.sampled_from(["", " ", "\u00a0", "\x00", "\t", "\r", "'", '"', "\ufeff", "\u200b", "\u3000"]),
            st.sampled_from(["=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%", "﹢", "⁺"]),
            st.text(max_size=20),
        ),
    )
)
def test_no_cell_is_a_formula(text: str) -> None:
    shown = str(spreadsheets.cell(text))
    stripped = unicodedata.normalize("NFKC", shown).lstrip('\u200b\ufeff \t\r\n\x00"')
    assert not stripped.startswith(("=", "+", "-", "@")), repr(shown)
    assert "\x00" not in shown
    row = next(csv.reader(io.StringIO(spreadsheets.csv_text([[text, 5]]).removeprefix("\ufeff")), delimiter=";"))
    assert row == [shown, "5"]


SIGNS = ["=", "+", "-", "@", "＝", "＋", "－", "＠", "|", "%", "﹢", "⁺"]


@given(
    st.lists(
        st.tuples(
            st.text(max_size=8),
            st.sampled_from([",", ";", "|", "\t", "\r", "\n", '",', '";"']),
            st.sampled_from(["", " ", "\t", "\r", "  ", '"', "\u00a0", "\u200b"]),
            st.sampled_from(SIGNS),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_no_cell_becomes_a_formula_by_another_separator(parts: list[tuple[str, ...]]) -> None:
    """A spreadsheet of another country splits the file by commas or tabs: what it then takes for a cell is none either."""
    text = spreadsheets.csv_text([["имя", "".join("".join(part) for part in parts), -5]])
    for separator in ",;|\t":
        for row in csv.reader(io.StringIO(text.removeprefix("\ufeff")), delimiter=separator):
            for found in row:
                bare = unicodedata.normalize("NFKC", found).lstrip('\u200b\ufeff \t\r\n"')
                assert not bare.startswith(("=", "+", "-", "@")) or bare.startswith("-5"), (separator, row)


def test_every_cell_is_quoted() -> None:
    lines = (
        spreadsheets.csv_text([["имя", 5, None, True], ['с "кавычкой"', -2.5, "a;b", "x"]])
        .removeprefix("\ufeff")
        .splitlines()
    )
    assert lines == ['"имя";"5";"";"1"', '"с ""кавычкой""";"-2,5";"a;b";"x"']


def test_numbers_stay_numbers_in_an_export() -> None:
    assert [spreadsheets.cell(value) for value in (-5, 2.5, -2.5, None, True, "обычный")] == [
        -5,
        "2,5",
        "-2,5",
        "",
        "1",
        "обычный",
    ]


# --- calendar ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shifts"),
    [
        ("09:00-13:00, 14:00-18:00", [["09:00", "13:00"], ["14:00", "18:00"]]),
        ("9-18", [["09:00", "18:00"]]),
        ("22:00–06:00", [["22:00", "06:00"]]),
        ("9.30 - 18.15", [["09:30", "18:15"]]),
        ("", []),
    ],
)
def test_hours_as_people_type_them(text: str, shifts: list[list[str]]) -> None:
    assert calendars.parse_shifts(text, "weekly.mon") == shifts


def test_calendar_round_trip_and_errors() -> None:
    days = dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "9-13, 14-18") | {"sat": "", "sun": ""}
    value = calendars.read(True, days, "2026-03-09 2026-05-01", "2026-03-07: 10-14\n2026-03-08:")
    assert value is not None and set(value["weekly"]) == {"mon", "tue", "wed", "thu", "fri"}
    assert calendars.weekly_hours(value) == 40
    assert calendars.overrides_text(value["overrides"]) == "2026-03-07: 10:00-14:00\n2026-03-08:"
    assert calendars.read(True, {**days, "sat": "  "}, "", "") == calendars.read(True, days, "", ""), (
        "a blank day is a day off"
    )
    assert calendars.read(False, days, "", "") is None and calendars.weekly_hours(None) is None
    first, summer = {"weekly": {"mon": [["09:00", "18:00"]]}}, {"valid_from": "2026-06-01", "valid_to": "2026-08-31"}
    assert calendars.read(False, days, "", "", "2026-06-01", "2026-08-31") == summer
    both = {**first, "versions": [summer]}
    shown = calendars.versions(both, date(2026, 9, 1))
    assert [(one.hours, one.is_now, one.valid_from) for one in shown] == [
        (9, True, None),
        (None, False, date(2026, 6, 1)),
    ]
    assert [one.is_now for one in calendars.versions(both, date(2026, 8, 31))] == [False, True]
    assert (
        calendars.weekly_hours(both, date(2026, 5, 31)) == 9 and calendars.weekly_hours(both, date(2026, 6, 1)) is None
    )
    assert calendars.over(both, None) == {"versions": [summer]} and calendars.over(both, summer) == summer
    assert calendars.without(both, "2026-06-01") == first and calendars.without(both, "2026-06-02") == both
    for days_, holidays, overrides, word in (
        ({"mon": "с девяти"}, "", "", "weekly.mon"),
        ({"mon": "25:00-26:00"}, "", "", "mon"),
        ({}, "9 марта", "", "holidays"),
        ({}, "", "завтра: 9-18", "overrides"),
    ):
        with pytest.raises(DataError, match=word):
            calendars.read(True, days_, holidays, overrides)


def test_pipelines_of_sales_are_chosen_from_those_read(world: World, who: Who) -> None:
    """Another company's pipelines are none of ours; what is no number is refused beside its field."""
    admin = who("admin")
    assert configuration.load(admin, "gamma").pipelines == []
    read = (("gamma", 5, "Продажи", 2, False), ("gamma", 9, "Жалобы", 1, True), ("alpha", 7, "Тайная", 1, False))
    with psycopg.connect(db.owner_url(), autocommit=True) as connection:
        for slug, number, name, place, is_archived in read:
            payload = {
                "name": name, "sort": place, "is_archive": is_archived,
                "_embedded": {"statuses": [{"id": 1, "name": "Новая"}, {"id": 142, "name": "Успех"}]},
            }  # fmt: skip
            connection.execute(
                "insert into raw_amocrm.pipelines (tenant_id, id, payload, seen_at, _dlt_load_id, _dlt_id)"
                " values (%s, %s, %s, now(), '1', '1')",
                (world.tenants[slug].tenant_id, number, Jsonb(payload)),
            )
    assert configuration.load(admin, "gamma").pipelines == [
        Pipeline("9", "Жалобы", is_archived=True),
        Pipeline("5", "Продажи", is_archived=False),
    ]
    before = configuration.runtime(admin, "gamma")
    chosen = configuration.save_runtime(admin, "gamma", {"sales_pipelines": ["7", "05", "7"]})
    assert (chosen.version, chosen.sales_pipelines) == (before.version + 1, ["5", "7"])
    assert configuration.save_runtime(admin, "gamma", {"sales_pipelines": "5, 7"}).version == chosen.version
    wrong = configuration.validate({"sales_pipelines": ["Продажи"]})
    assert "не номер воронки" in wrong["sales_pipelines"]
    assert configuration.save_runtime(admin, "gamma", {"sales_pipelines": ""}).sales_pipelines == []
