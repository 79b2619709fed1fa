"""Every use case by each of its ways in: the page's function, the REST API and the command write the same action and keep the same keys.

What differs is who: a person's line has their account and address, the command's has the operator of the machine and neither.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from cli.commands import setup
from cli.main import cli
from services import access, audit_log, companies
from services.access import Viewer
from services.machine import COMMAND_LINE
from services.people import accounts, members
from services.reports import runs
from services.settings import chat_imports, configuration
from synkro.accounts import embedded, second_factor, sessions
from synkro.connectors import checks, integrations
from synkro.connectors.whatsapp.importing import Upload
from synkro.core.errors import NotFoundError
from synkro.core.settings import ROOT
from synkro.database import db
from synkro.runs import queue
from synkro.tenancy import users
from synkro.tenancy.audit.actions import Action
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

WAYS = ("page", "rest", "command")
BOT = "123456789:" + "A" * 35
CHAT = "02.03.2026, 10:02 - Сауле: Сколько стоит?\n02.03.2026, 10:05 - Жанна: Сейчас посчитаю\n"
NAMES = {way: f"made_by_{way}" for way in WAYS}


@dataclass
class Try:
    """One use case by one way in."""

    world: World
    way: str
    folder: Path

    @property
    def file(self) -> Path:
        found = self.folder / "chat.txt"
        found.write_text(CHAT, encoding="utf-8")
        return found

    @property
    def tenant(self) -> Any:
        return self.world.tenants["alpha"]

    @property
    def email(self) -> str:
        return f"{self.way}@company.example"

    def window(self, days: float = 0) -> tuple[str, str]:
        """An hour that no other way asks for."""
        start = self.world.now - timedelta(days=days, hours=12 + 2 * WAYS.index(self.way))
        return start.isoformat(), (start + timedelta(hours=1)).isoformat()

    @property
    def run(self) -> queue.Run:
        """The latest run somebody asked for."""
        with db.as_service("test") as connection:
            found = queue.recent(connection, self.tenant.tenant_id, 50)
        return next(run for run in found if run.trigger_type == "manual")

    @property
    def person(self) -> users.User:
        """Somebody of the company, one for each way."""
        with db.as_service("test") as connection:
            try:
                return users.by_email(connection, self.email)
            except NotFoundError:
                made = embedded.add(connection, self.email, PASSWORD)
                users.grant(connection, made.user_id, self.tenant.tenant_id, "user")
                return made


@dataclass(frozen=True)
class UseCase:
    #: in the order they are written
    actions: tuple[str, ...]
    page: Callable[[Try, Viewer], Any] | None = None
    #: method is POST: path and body
    rest: Callable[[Try], tuple[str, dict[str, Any] | None]] | None = None
    #: words, and the secret of standard input
    command: Callable[[Try], tuple[str, ...]] | None = None
    stdin: str = ""
    before: Callable[[Try], Any] = lambda t: None


def stop_all(t: Try) -> None:
    with db.as_service("test") as connection:
        for run in queue.active(connection, t.tenant.tenant_id):
            if run.trigger_type == "manual":
                queue.request_stop(connection, run.tenant_id, run.run_id)


def has_bot(t: Try) -> None:
    with db.as_service("test") as connection:
        integrations.save_public(connection, t.tenant.tenant_id, "telegram", {"chat_id": "-55001"})
        integrations.save_secrets(connection, t.tenant.tenant_id, "telegram", {"bot_token": BOT})


def has_key(t: Try) -> None:
    with db.as_service("test") as connection:
        integrations.save_secrets(connection, t.tenant.tenant_id, "radist", {"api_key": "k" * 20})


def asked(t: Try) -> None:
    stop_all(t)
    runs.request(access.viewer(t.world.people["operator"]), "alpha", *t.window())


def window_body(t: Try, **more: str) -> dict[str, Any]:
    start, end = t.window(float(more.pop("days", "0")))
    return {"from": start, "to": end, **more}


def window_words(t: Try, days: float = 0) -> tuple[str, ...]:
    start, end = t.window(days)
    return ("--from", start, "--to", end)


RUNS = "/api/v1/tenants/alpha/runs"

USE_CASES: dict[str, UseCase] = {
    "add a company": UseCase(
        ("tenant.added",),
        lambda t, v: companies.add_tenant(v, "Новая", NAMES[t.way], "Asia/Almaty"),
        None,
        lambda t: ("tenant", "add", NAMES[t.way], "--name", "Новая"),
    ),
    "pause a company": UseCase(
        ("tenant.paused",),
        lambda t, v: companies.set_status(v, "gamma", "paused"),
        None,
        lambda t: ("tenant", "pause", "gamma"),
    ),
    "disable a company": UseCase(
        ("tenant.disabled",),
        lambda t, v: companies.set_status(v, "gamma", "disabled"),
        None,
        lambda t: ("tenant", "edit", "gamma", "--status", "disabled"),
        before=lambda t: companies.set_status(access.viewer(t.world.people["operator"]), "gamma", "paused"),
    ),
    "resume a company": UseCase(
        ("tenant.resumed",),
        lambda t, v: companies.set_status(v, "gamma", "active"),
        None,
        lambda t: ("tenant", "pause", "gamma", "--resume"),
    ),
    "rename a company": UseCase(
        ("tenant.renamed",),
        lambda t, v: companies.edit(v, "gamma", name=NAMES[t.way]),
        None,
        lambda t: ("tenant", "edit", "gamma", "--name", NAMES[t.way]),
    ),
    "invite a person": UseCase(
        ("person.invited",),
        lambda t, v: members.invite(v, "alpha", f"invited-{t.email}", "", "user"),
        None,
        lambda t: ("user", "add", f"invited-{t.email}", "--tenant", "alpha"),
    ),
    "add an account": UseCase(
        ("account.added",),
        command=lambda t: ("user", "add", "second-operator@company.example", "--role", "super_admin"),
    ),
    "reset a password": UseCase(
        ("account.password_reset",), command=lambda t: ("user", "password", t.email), before=lambda t: t.person
    ),
    "disable an account": UseCase(
        ("account.disabled",),
        lambda t, v: accounts.set_blocked(v, t.person.user_id, True),
        None,
        lambda t: ("user", "disable", t.email),
        before=lambda t: t.person,
    ),
    "enable an account": UseCase(
        ("account.enabled",),
        lambda t, v: accounts.set_blocked(v, t.person.user_id, False),
        None,
        lambda t: ("user", "enable", t.email),
    ),
    "end the sessions of a person": UseCase(
        ("session.ended_all",),
        lambda t, v: accounts.end_sessions(v, t.person.user_id),
        None,
        lambda t: ("user", "sessions", t.email, "--end"),
        before=lambda t: sessions.open_session(t.person.user_id, None, None),
    ),
    "take the second step away": UseCase(
        ("second_factor.reset",),
        lambda t, v: accounts.reset_second_factor(v, t.person.user_id),
        None,
        lambda t: ("user", "totp", "reset", t.email),
        before=lambda t: second_factor.status(t.person.user_id),
    ),
    "take a role away": UseCase(
        ("person.revoked",),
        lambda t, v: accounts.revoke_role(v, t.person.user_id, t.tenant.tenant_id),
        None,
        lambda t: ("user", "revoke", t.email, "--tenant", "alpha"),
        before=lambda t: t.person,
    ),
    "save an integration": UseCase(
        ("integration.saved", "integration.secrets_saved"),
        lambda t, v: configuration.save_integration(v, "alpha", "radist", {"company_id": "7"}, {"api_key": "k" * 20}),
        None,
        lambda t: ("integration", "set", "alpha", "radist", "--public", '{"company_id": 8}'),
        stdin="k" * 20,
    ),
    "remove a secret": UseCase(
        ("integration.secret_removed",),
        command=lambda t: ("integration", "set", "alpha", "radist"),
        stdin='{"api_key": ""}',
        before=has_key,
    ),
    "check an integration": UseCase(
        ("integration.checked",),
        lambda t, v: configuration.check_integration(v, "alpha", "amocrm"),
        None,
        lambda t: ("integration", "check", "alpha", "amocrm"),
    ),
    "change the runtime settings": UseCase(
        ("runtime.changed",),
        lambda t, v: configuration.save_runtime(v, "alpha", {"sla_target_minutes": "31"}),
        None,
        lambda t: ("runtime", "set", "alpha", "sla_target_minutes=32"),
    ),
    "take a code for a chat": UseCase(
        ("telegram.code_made",),
        lambda t, v: configuration.telegram_code(v, "alpha"),
        None,
        lambda t: ("telegram", "code", "alpha"),
        before=has_bot,
    ),
    "disconnect a chat": UseCase(
        ("telegram.unbound",),
        lambda t, v: configuration.unbind_chat(v, "alpha", "-55001"),
        None,
        lambda t: ("telegram", "unbind", "alpha", "-55001"),
        before=has_bot,
    ),
    "ask for a report": UseCase(
        ("run.requested",),
        lambda t, v: runs.request(v, "alpha", *t.window()),
        lambda t: (RUNS, window_body(t)),
        lambda t: ("report", "run", "alpha", *window_words(t)),
        before=stop_all,
    ),
    "join a run": UseCase(
        ("run.joined",),
        lambda t, v: runs.request(v, "alpha", *t.window()),
        lambda t: (RUNS, window_body(t)),
        lambda t: ("report", "run", "alpha", *window_words(t)),
        before=asked,
    ),
    "stop a run": UseCase(
        ("run.stopped",),
        lambda t, v: runs.stop(v, t.run.run_id),
        lambda t: (f"/api/v1/runs/{t.run.run_id}/stop", None),
        lambda t: ("run", "stop", str(t.run.run_id)),
        before=asked,
    ),
    "repeat a run": UseCase(
        ("run.retried",),
        lambda t, v: runs.retry(v, t.run.run_id),
        lambda t: (f"/api/v1/runs/{t.run.run_id}/retry", None),
        lambda t: ("run", "retry", str(t.run.run_id), "--no-wait"),
        before=lambda t: (asked(t), stop_all(t)),
    ),
    "go beyond the limits": UseCase(
        ("run.forced",),
        lambda t, v: runs.request(v, "alpha", *t.window(60), "сверка"),
        lambda t: (RUNS, window_body(t, days="60", exceed_limits="сверка")),
        lambda t: ("report", "run", "alpha", *window_words(t, 60), "--exceed-limits"),
        before=stop_all,
    ),
    "load the history": UseCase(
        ("run.history",),
        lambda t, v: runs.load_history(v, "alpha", (t.world.day - timedelta(days=40)).isoformat()),
        lambda t: ("/api/v1/tenants/alpha/backfill", {"from": (t.world.day - timedelta(days=40)).isoformat()}),
        lambda t: ("backfill", "alpha", "--from", (t.world.day - timedelta(days=40)).isoformat()),
        before=stop_all,
    ),
    "bring chats as files": UseCase(
        ("chats.imported", "chats.stored"),
        lambda t, v: chat_imports.save(v, "alpha", [Upload("chat.txt", CHAT.encode(), "+77000000001")], "Жанна"),
        None,
        lambda t: ("import", "whatsapp", "alpha", str(t.file), "--managers", "Жанна", "--phone", "+77000000001"),
    ),
    "export the log": UseCase(
        ("audit.exported",), lambda t, v: audit_log.exported(v, "alpha"), None, lambda t: ("audit", "export", "alpha")
    ),
}

#: written by one way in alone, or by no way in: why they are not here
ELSEWHERE = {
    "a person's own sign-in and account": (
        "login.failed", "login.link", "login.ok", "logout", "password.changed", "profile.changed", "second_factor.codes",
        "second_factor.off", "second_factor.on", "session.ended", "person.accepted",
    ),
    "a page and the bot: tests/app/pages/test_cases.py, tests/delivery/test_presses.py": ("case.dismissed", "case.restored"),
    "a page alone": ("message.corrected", "operator.looked", "person.invitation_taken_back", "person.role_changed",
                     "report.exported", "topics.changed"),
    "the owner's connection: tests/transforms/test_analysts.py": ("analyst.added", "analyst.removed"),
    "every secret of the database: tests/cli/test_command_line.py": ("secrets.rotated",),
    "the bot: tests/delivery/test_binding.py": ("telegram.bound",),
    "the schedule: tests/synkro/reporting/test_revisions.py": ("report.followup",),
}  # fmt: skip


def test_every_action_is_tried_or_named() -> None:
    tried = {action for case in USE_CASES.values() for action in case.actions}
    elsewhere = {action for actions in ELSEWHERE.values() for action in actions}
    assert tried | elsewhere == set(get_args(Action)) and not tried & elsewhere


def test_nobody_else_writes_into_the_log() -> None:
    """Use cases write by ``access.note``; signing in, what the bot and the schedule do have no viewer."""
    found = {
        str(path.relative_to(ROOT))
        for package in ("app", "cli", "delivery", "orchestration", "analysis", "ingestion", "services", "synkro")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\baudit\.write\(|into synkro\.audit_log", path.read_text(encoding="utf-8"))
    }
    assert found == {
        "app/auth.py", "delivery/bot/presses.py", "services/access.py", "synkro/accounts/attempts.py", "synkro/reporting/revisions.py",
        "synkro/reporting/delivery/telegram_chats.py", "synkro/tenancy/audit/__init__.py",
    }  # fmt: skip


async def test_each_way_in_writes_the_same(
    site: Site, world: World, who: Callable[[str], Viewer], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "run", lambda *_: {})
    browser, viewer = await site.signed_in("operator"), who("operator")
    wrong = {}
    for name, case in USE_CASES.items():
        keys = {}
        for way in WAYS:
            if getattr(case, way) is None:
                continue
            one = Try(world, way, tmp_path)
            await asyncio.to_thread(case.before, one)
            last = newest()
            if way == "page":
                await asyncio.to_thread(case.page, one, viewer)  # type: ignore[arg-type]
            elif way == "rest":
                path, body = case.rest(one)  # type: ignore[misc]
                answer = await browser.post(path, json=body, headers=ORIGIN)
                assert answer.status_code == 202, (name, answer.text)
            else:
                await asyncio.to_thread(run_command, case, one, monkeypatch)
            lines = [line for line in since(last) if line["action"] != "operator.looked"]
            keys[way] = [(line["action"], tuple(sorted(line["metadata"]))) for line in lines]
            account = None if way == "command" else viewer.user_id
            actor = COMMAND_LINE if way == "command" else viewer.name
            for line in lines:
                assert (line["actor_id"], line["actor"]) == (account, actor), (name, way)
                assert (line["ip_address"] is None) == (way == "command"), (name, way)
        first = next(iter(keys.values()))
        if [action for action, _ in first] != list(case.actions) or any(said != first for said in keys.values()):
            wrong[name] = keys
    assert not wrong, json.dumps(wrong, indent=1)


def run_command(case: UseCase, one: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "_standard_input", lambda: case.stdin)
    assert case.command is not None
    words = list(case.command(one))
    done = CliRunner().invoke(cli, words, obj=words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def newest() -> int:
    with db.as_service("test") as connection:
        row = connection.execute("select coalesce(max(audit_id), 0) as last from synkro.audit_log").fetchone()
    assert row is not None
    return int(row["last"])


def since(last: int) -> list[dict[str, Any]]:
    with db.as_service("test") as connection:
        return connection.execute(
            "select action, actor, actor_id, ip_address, metadata from synkro.audit_log where audit_id > %s order by audit_id",
            (last,),
        ).fetchall()
