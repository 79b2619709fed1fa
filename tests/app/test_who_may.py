"""Every function of the services against every role, with the database's own refusals out of the way.

The entry point of people is opened onto a role that no policy holds back, with the person's claims still there: what is refused
here is refused by the service, with its own error. That the database refuses too is in tests/synkro/database/test_role_matrix.py.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

import services
from app import auth
from services import access, analysts, audit_log, companies, machine, overview, secret_keys
from services.access import Actor, Forbidden, Viewer
from services.machine import Operator
from services.people import accounts, members, profile
from services.reports import cases, dashboards, export, freshness, published, questions, rows, runs, transcripts, view
from services.settings import chat_imports, configuration, topics  # fmt: skip
from synkro.accounts import embedded, sessions
from synkro.connectors import checks, integrations
from synkro.connectors.whatsapp import importing
from synkro.core.errors import AuthenticationError, ConfigurationError, NotFoundError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import cases as marks
from synkro.reporting import reports
from synkro.tenancy import invitations, users
from tests.app.conftest import ORIGIN, Site
from tests.app.fixtures import PASSWORD, World

ACTORS = ("operator", "admin", "user", "stranger", "nobody")
YES = "yes"
NO, NONE = Forbidden, NotFoundError
#: what each of the actors is told of alpha: admin and user are its people, stranger administers another company
MEMBERS = dict(zip(ACTORS, (YES, YES, YES, NONE, NONE), strict=True))
ADMINS = dict(zip(ACTORS, (YES, YES, NO, NONE, NONE), strict=True))
OPERATOR = dict(zip(ACTORS, (YES, NO, NO, NO, NO), strict=True))
EVERYONE = dict.fromkeys(ACTORS, YES)


def bot_saved(world: World, chat: str = "") -> None:
    """Alpha has a bot, and the chat is one of its recipients."""
    tenant_id = world.tenants["alpha"].tenant_id
    with db.as_service("test") as connection:
        integrations.save_public(connection, tenant_id, "telegram", {"chat_id": chat} if chat else {})
        integrations.save_secrets(connection, tenant_id, "telegram", {"bot_token": "123456789:" + "A" * 35})


@dataclass(frozen=True)
class Case:
    """A function, the call of it, who may, and whether it asks again for a right that an open page still claims."""

    call: Callable[[World, Any], Any]
    may: dict[str, Any]
    asks_again: bool = False


def report_of(world: World) -> Any:
    return world.reports["alpha"].report_id


def asked(world: World) -> reports.Message:
    with db.as_service("test") as connection:
        return reports.ask(connection, world.reports["alpha"], "Сколько ждут?", author_id=None, author_name="А")


def hour(world: World) -> tuple[str, str]:
    return (world.now - timedelta(hours=9)).isoformat(), (world.now - timedelta(hours=8)).isoformat()


def change_admin(world: World, who: Viewer) -> None:
    members.change_role(who, "alpha", world.people["user"].user_id, "admin_lite")


def take_back(world: World, who: Viewer) -> None:
    with db.as_service("test") as connection:
        made, _ = invitations.make(
            connection, world.tenants["alpha"].tenant_id, "invited@example.com", "", "user", created_by=None
        )
    members.take_back(who, "alpha", made)


def of(world: World, name: str) -> UUID:
    return world.people[name].user_id


def opened(world: World, name: str) -> str:
    """The name of a session that was just opened."""
    return opened_of(of(world, name))


def opened_of(user_id: UUID) -> str:
    sessions.open_session(user_id, None, None)
    with db.as_service("test") as connection:
        return sessions.open_of(connection, user_id)[0].session_hash


def said_done(world: World) -> None:
    """The case has been dismissed by somebody."""
    with db.as_service("test") as connection:
        marks.dismiss(
            connection, world.tenants["alpha"].tenant_id, "deal_stuck:alpha-deal0:created", "done", channel="telegram"
        )


CASES: dict[str, Case] = {
    "audit_log.exported": Case(
        lambda w, v: audit_log.exported(v, "alpha"), {**ADMINS, "nobody": NO}, asks_again=True
    ),
    "access.tenant": Case(lambda w, v: access.tenant(v, "alpha"), MEMBERS),
    "access.administered": Case(lambda w, v: access.administered(v, "alpha"), ADMINS),
    "freshness.load": Case(lambda w, v: freshness.load(v, "alpha"), MEMBERS),
    "dashboards.load": Case(lambda w, v: dashboards.load(v, "alpha"), MEMBERS),
    "accounts.own_sessions": Case(lambda w, v: accounts.own_sessions(v, "x"), EVERYONE),
    "accounts.end_own_session": Case(lambda w, v: accounts.end_own_session(v, opened_of(v.user_id)), EVERYONE),
    "accounts.end_other_sessions": Case(lambda w, v: accounts.end_other_sessions(v, "x"), EVERYONE),
    "export.report": Case(lambda w, v: export.report(v, "alpha", report_of(w), "waits"), MEMBERS),
    "overview.cards": Case(lambda w, v: overview.cards(v), EVERYONE),
    "profile.save_profile": Case(lambda w, v: profile.save_profile(v, "Имя", "", "Asia/Almaty", "ru"), EVERYONE),
    "questions.answer": Case(lambda w, v: questions.answer(v, "alpha", asked(w)), MEMBERS),
    "questions.ask": Case(lambda w, v: questions.ask(v, "alpha", report_of(w), "Сколько ждут?"), MEMBERS),
    "questions.thread": Case(lambda w, v: questions.thread(v, "alpha", report_of(w)), MEMBERS),
    "view.load": Case(lambda w, v: view.load(v, "alpha", report_of(w)), MEMBERS),
    "runs.listing": Case(lambda w, v: runs.listing(v, "alpha"), MEMBERS),
    "published.recent": Case(lambda w, v: published.recent(v, "alpha", limit=5), MEMBERS),
    "published.by_id": Case(lambda w, v: published.by_id(v, report_of(w), "alpha"), MEMBERS),
    "published.current": Case(lambda w, v: published.current(v, "alpha"), MEMBERS),
    "runs.recent": Case(lambda w, v: runs.recent(v, "alpha"), MEMBERS),
    "runs.request": Case(lambda w, v: runs.request(v, "alpha", *hour(w)), MEMBERS),
    "runs.retry": Case(lambda w, v: runs.retry(v, w.runs["failed"].run_id), MEMBERS),
    "runs.run_of": Case(lambda w, v: runs.run_of(v, w.runs["failed"].run_id), MEMBERS),
    "runs.stop": Case(lambda w, v: runs.stop(v, w.runs["running"].run_id), MEMBERS),
    "rows.behind": Case(lambda w, v: rows.behind(v, "alpha", report_of(w), "messages"), MEMBERS),
    "cases.load": Case(lambda w, v: cases.load(v, "alpha"), MEMBERS),
    "cases.dismiss": Case(lambda w, v: cases.dismiss(v, "alpha", "deal_stuck:alpha-deal0:created", "done"), MEMBERS),
    "cases.undo": Case(lambda w, v: said_done(w) or cases.undo(v, "alpha", "deal_stuck:alpha-deal0:created"), MEMBERS),
    "transcripts.correct": Case(
        lambda w, v: transcripts.correct(v, "alpha", "alpha:d/0", "alpha0-0", False), MEMBERS
    ),
    "transcripts.load": Case(lambda w, v: transcripts.load(v, "alpha", "alpha:d/0"), MEMBERS),
    # --- administrators
    "members.change_role": Case(change_admin, ADMINS, asks_again=True),
    "members.open_invitations": Case(lambda w, v: members.open_invitations(v, "alpha"), ADMINS, asks_again=True),
    "members.take_back": Case(take_back, ADMINS, asks_again=True),
    "members.invite": Case(lambda w, v: members.invite(v, "alpha", "new@example.com", "Н", "admin_lite"), ADMINS, asks_again=True),
    "members.revoke": Case(lambda w, v: members.revoke(v, "alpha", w.people["user"].user_id), ADMINS, asks_again=True),
    "audit_log.audit_page": Case(
        lambda w, v: audit_log.audit_page(v, "alpha"), {**ADMINS, "nobody": NO}, asks_again=True
    ),
    "runs.load_history": Case(
        lambda w, v: runs.load_history(v, "alpha", (w.day - timedelta(days=20)).isoformat()), ADMINS, asks_again=True
    ),
    "chat_imports.save": Case(
        lambda w, v: chat_imports.save(v, "alpha", [importing.Upload("chat.txt", b"02.03.2026, 10:02 - +7 700 000-00-01: x")], "Ж"), ADMINS,
        asks_again=True,
    ),
    "configuration.check_integration": Case(lambda w, v: configuration.check_integration(v, "alpha", "amocrm"), ADMINS, asks_again=True),
    "configuration.telegram_code": Case(lambda w, v: bot_saved(w) or configuration.telegram_code(v, "alpha"), ADMINS, asks_again=True),
    "configuration.unbind_chat": Case(
        lambda w, v: bot_saved(w, "-55001") or configuration.unbind_chat(v, "alpha", "-55001"), ADMINS, asks_again=True
    ),
    "configuration.telegram": Case(lambda w, v: bot_saved(w) or configuration.telegram(v, "alpha"), ADMINS, asks_again=True),
    "configuration.chats": Case(lambda w, v: configuration.chats(v, "alpha"), ADMINS, asks_again=True),
    "configuration.runtime": Case(lambda w, v: configuration.runtime(v, "alpha"), ADMINS, asks_again=True),
    "configuration.load": Case(lambda w, v: configuration.load(v, "alpha"), ADMINS, asks_again=True),
    "configuration.save_integration": Case(
        lambda w, v: configuration.save_integration(v, "alpha", "radist", {"company_id": "1"}, {"api_key": "k" * 20}), ADMINS,
        asks_again=True,
    ),
    "configuration.save_runtime": Case(lambda w, v: configuration.save_runtime(v, "alpha", {"sla_target_minutes": 21}), ADMINS, asks_again=True),
    "topics.choose": Case(lambda w, v: topics.choose(v, "alpha", "windows", 1), ADMINS, asks_again=True),
    "topics.extend": Case(lambda w, v: topics.extend(v, "alpha", "look", ["штора"], 1), ADMINS, asks_again=True),
    "topics.load": Case(lambda w, v: topics.load(v, "alpha"), ADMINS, asks_again=True),
    "topics.merge": Case(lambda w, v: topics.merge(v, "alpha", "look", "size", 1), ADMINS, asks_again=True),
    "topics.put": Case(lambda w, v: topics.put(v, "alpha", None, topics.Typed("Шторы", "штора"), 1), ADMINS, asks_again=True),
    "topics.remove": Case(lambda w, v: topics.remove(v, "alpha", "look", 1), ADMINS, asks_again=True),
    # --- the operator
    "accounts.listing": Case(lambda w, v: accounts.listing(v), OPERATOR, asks_again=True),
    "accounts.detail": Case(lambda w, v: accounts.detail(v, of(w, "user")), OPERATOR, asks_again=True),
    "accounts.add": Case(lambda w, v: accounts.add(v, "added@example.com", "user", "alpha"), OPERATOR, asks_again=True),
    "accounts.by_email": Case(lambda w, v: accounts.by_email(v, "user@example.com"), OPERATOR, asks_again=True),
    "accounts.everybody": Case(lambda w, v: accounts.everybody(v), OPERATOR, asks_again=True),
    "accounts.reset_password": Case(lambda w, v: accounts.reset_password(v, of(w, "user")), OPERATOR, asks_again=True),
    "accounts.set_password": Case(
        lambda w, v: accounts.set_password(v, of(w, "user"), "фонарь у северных ворот"), OPERATOR, asks_again=True
    ),
    "accounts.set_blocked": Case(lambda w, v: accounts.set_blocked(v, of(w, "user"), True), OPERATOR, asks_again=True),
    "accounts.end_session": Case(lambda w, v: accounts.end_session(v, of(w, "user"), opened(w, "user")), OPERATOR, asks_again=True),
    "accounts.end_sessions": Case(lambda w, v: accounts.end_sessions(v, of(w, "user")), OPERATOR, asks_again=True),
    "accounts.revoke_role": Case(
        lambda w, v: accounts.revoke_role(v, of(w, "user"), w.tenants["alpha"].tenant_id), OPERATOR, asks_again=True
    ),
    "accounts.reset_second_factor": Case(
        lambda w, v: accounts.reset_second_factor(v, of(w, "user")), OPERATOR, asks_again=True
    ),
    "companies.add_tenant": Case(lambda w, v: companies.add_tenant(v, "Н", "newcompany", "Asia/Almaty"), OPERATOR, asks_again=True),
    "companies.edit": Case(
        lambda w, v: companies.edit(v, "alpha", name="Альфа 2", timezone="Europe/Berlin"), {**OPERATOR, "stranger": NONE, "nobody": NONE},
        asks_again=True,
    ),
    "companies.installation": Case(lambda w, v: companies.installation(v), OPERATOR, asks_again=True),
    "companies.set_status": Case(
        lambda w, v: companies.set_status(v, "alpha", "paused"), {**OPERATOR, "stranger": NONE, "nobody": NONE}, asks_again=True
    ),
}  # fmt: skip

#: functions of the machine's operator alone: every person is refused
MACHINES: dict[str, Callable[[Actor], Any]] = {
    "analysts.add": lambda v: analysts.add(v, "nobody", ["alpha"], 60),  # type: ignore[arg-type]
    "analysts.listing": lambda v: analysts.listing(v),  # type: ignore[arg-type]
    "analysts.remove": lambda v: analysts.remove(v, "nobody"),  # type: ignore[arg-type]
    "audit_log.audit_lines": lambda v: list(audit_log.audit_lines(v, "alpha")),  # type: ignore[arg-type]
    "secret_keys.rotate": lambda v: secret_keys.rotate(v, lambda done, total: None),  # type: ignore[arg-type]
}

#: functions that are told no person, or are a part of those above
NOBODYS = {
    "access.viewer": "makes the viewer",
    "access.check_machine": "the question itself",
    "access.check_operator": "the question itself",
    "access.ensure_active": "a company that access.tenant has let through",
    "access.is_admin": "the question itself",
    "access.tenant_of": "the company of a row that was read",
    "access.transaction": "the entry point itself",
    "access.visible": "what access.viewer has found",
    "machine.operator": "makes the machine's operator: test_the_apps_own_process_makes_no_operator",
    "accounts.bootstrap": "does nothing once there was an operator: tests/cli/test_command_line.py",
    "runs.events": "a run that run_of has let through; its rows are the database's to refuse",
    "access.note": "a line of the log inside another's transaction",
    "access.check_admin_now": "the question itself",
    "access.check_any_admin_now": "the question itself",
    "access.check_operator_now": "the question itself",
    "audit_log.note_look": "writes down that an operator looked",
    "health.check": "names no company",
    "health.for_strangers": "names no company",
    "runs.reap": "ends what is over",
    "view.currency_of": "inside another's transaction",
    "view.find": "view.load",
    "runs.tail": "inside another's transaction",
    "runs.progress": "rows the database refuses: test_services.test_progress_is_empty_for_a_stranger",
    **dict.fromkeys(
        (
            "calendars.over", "calendars.overrides_text", "calendars.parse_shifts", "calendars.read", "calendars.shifts_text",
            "calendars.versions", "calendars.weekly_hours", "calendars.without", "differences.between", "questions.suggested",
            "view.claims_at", "view.headline_numbers", "runs.again_at", "runs.day_choices",
            "runs.last_closed", "runs.percent", "runs.silence", "configuration.choices", "configuration.form_fields", "configuration.text_of",
            "configuration.validate", "configuration.save_settings",
        ),
        "reads nothing",
    ),
}  # fmt: skip


def functions() -> dict[str, Callable[..., Any]]:
    """Every public function of the services, by the module it stands in."""
    found = {}
    for module in pkgutil.walk_packages(services.__path__, "services."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if function.__module__ == module.name and not name.startswith("_"):
                found[f"{module.name.rsplit('.', 1)[-1]}.{name}"] = function
    return found


FUNCTIONS = functions()


def test_every_function_has_its_line() -> None:
    assert FUNCTIONS.keys() == {*CASES, *MACHINES, *NOBODYS}


def test_every_function_says_what_it_is() -> None:
    assert [name for name, function in FUNCTIONS.items() if not (function.__doc__ or "").strip()] == []


@contextmanager
def nothing_else_refuses(monkeypatch: pytest.MonkeyPatch, *, is_person: bool = True) -> Iterator[None]:
    """Both entry points lead into one transaction that no policy holds back; it is undone. The machine may not come as a person."""
    with psycopg.connect(db.owner_url(), row_factory=psycopg.rows.dict_row) as connection:
        # begins the outer transaction: what the entry points open are savepoints of it
        connection.execute("select")

        @contextmanager
        def as_user(user_id: Any) -> Iterator[db.Connection]:
            assert is_person
            with connection.transaction():
                claims = json.dumps({"sub": str(user_id), "role": "authenticated"})
                connection.execute("select set_config('request.jwt.claims', %s, true)", (claims,))
                yield connection

        @contextmanager
        def as_service(*_: Any, **__: Any) -> Iterator[db.Connection]:
            with connection.transaction():
                yield connection

        with monkeypatch.context() as patch:
            patch.setattr(db, "as_user", as_user)
            patch.setattr(db, "as_service", as_service)
            patch.setattr(checks, "run", lambda *_: {})
            yield
        connection.rollback()


@pytest.mark.parametrize("actor", ACTORS)
def test_the_service_itself_refuses(
    world: World, who: Callable[[str], Viewer], actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = who(actor)
    wrong = {}
    for name, case in CASES.items():
        with nothing_else_refuses(monkeypatch):
            told = outcome(case, world, viewer)
        if told != case.may[actor]:
            wrong[name] = f"{told}, not {case.may[actor]}"
    assert not wrong, "\n".join(f"{name}: {said}" for name, said in wrong.items())


def test_the_operator_of_this_machine_may_what_an_operator_may(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a function takes one: by the service entry point alone, and never as a person."""
    wrong, taken = {}, set()
    for name, case in CASES.items():
        if "Actor" not in str(inspect.signature(FUNCTIONS[name]).parameters["who"].annotation):
            continue
        taken.add(name)
        with nothing_else_refuses(monkeypatch, is_person=False):
            if (told := outcome(case, world, Operator())) != YES:
                wrong[name] = told
    assert wrong == {}
    assert not {name for name in taken if name.startswith(("overview.", "rows.", "transcripts."))}


@pytest.mark.parametrize("actor", ACTORS)
def test_no_person_does_what_the_machine_does(world: World, who: Callable[[str], Viewer], actor: str) -> None:
    """Nor one who names himself like it."""
    for claimed in (who(actor), replace(who(actor), is_operator=True)):
        for name, call in MACHINES.items():
            with pytest.raises(Forbidden):
                call(claimed)
                pytest.fail(name)


def test_the_apps_own_process_makes_no_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment has the app's address of the database and not the owner's."""
    app_alone = settings().model_copy(update={"app_database_url": "postgresql://app@x/y", "database_url": None})
    monkeypatch.setattr(machine, "settings", lambda: app_alone)
    with pytest.raises(ConfigurationError, match="SYNKRO_DATABASE_URL"):
        machine.operator()
    monkeypatch.undo()
    assert machine.operator() == Operator()


def outcome(case: Case, world: World, viewer: Actor) -> Any:
    try:
        case.call(world, viewer)
    except (Forbidden, NotFoundError) as error:
        return type(error)
    return YES


#: what happened to one whose page was opened before it did
SINCE: dict[str, str] = {
    "revoked": "update synkro.user_roles set is_active = false where user_id = %s",
    "lowered": "update synkro.user_roles set role = 'user' where user_id = %s and role = 'admin_lite'",
    "removed": "delete from synkro.user_roles where user_id = %s",
    "banned": "update auth.users set banned_until = now() + interval '1 day' where id = %s",
}


@pytest.mark.parametrize("since", SINCE)
@pytest.mark.parametrize("actor", ["operator", "admin"])
def test_an_open_page_holds_no_right(
    world: World, who: Callable[[str], Viewer], actor: str, since: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The viewer still claims what was taken away; whatever writes or shows what is sensitive asks once more."""
    if (actor, since) == ("operator", "lowered"):
        since = "removed"
    viewer = who(actor)
    wrong = {}
    for name, case in CASES.items():
        if not case.asks_again or case.may[actor] != YES:
            continue
        with nothing_else_refuses(monkeypatch):
            with db.as_service("test") as connection:
                assert connection.execute(SINCE[since].encode(), (viewer.user_id,)).rowcount
            if (told := outcome(case, world, viewer)) is not Forbidden:
                wrong[name] = told
    assert wrong == {}


def test_the_whole_journal_asks_once_more(
    world: World, who: Callable[[str], Viewer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit log without a company named: of an administrator of any, now."""
    viewer = who("admin")
    with nothing_else_refuses(monkeypatch):
        assert audit_log.audit_page(viewer)
        with db.as_service("test") as connection:
            connection.execute(SINCE["revoked"].encode(), (viewer.user_id,))
        with pytest.raises(Forbidden):
            audit_log.audit_page(viewer)


def test_who_may_nothing_else(world: World) -> None:
    """A case that everybody may is the person's own, and every other one has a role that is refused."""
    own = {name for name, case in CASES.items() if set(case.may.values()) == {YES}}
    assert own == {
        "overview.cards", "profile.save_profile", "accounts.own_sessions", "accounts.end_own_session", "accounts.end_other_sessions",
    }  # fmt: skip


# --- who is banned -----------------------------------------------------------------------------------------


@pytest.fixture
def banned(world: World) -> Iterator[users.User]:
    user = world.people["nobody"]
    set_ban(user, "now() + interval '1 day'")
    yield user
    set_ban(user, "null")


def set_ban(user: users.User, until: str) -> None:
    with db.as_service("test") as connection:
        connection.execute(f"update auth.users set banned_until = {until} where id = %s".encode(), (user.user_id,))


def test_a_banned_person_does_not_sign_in(banned: users.User) -> None:
    """The password is right. No session is made for the entry points behind to refuse."""
    with pytest.raises(AuthenticationError, match="не подходят"):
        embedded.verify(banned.email, PASSWORD)
    with pytest.raises(AuthenticationError):
        auth.sign_in(banned.email, PASSWORD, None, None)
    with db.as_service("test") as connection:
        assert not connection.execute(
            "select from private.web_sessions where user_id = %s", (banned.user_id,)
        ).fetchall()
    set_ban(banned, "now() - interval '1 second'")
    assert embedded.verify(banned.email, PASSWORD).user_id == banned.user_id


def test_a_session_opened_before_the_ban_is_nobodys(banned: users.User) -> None:
    session_id = sessions.open_session(banned.user_id, None, None)
    assert sessions.of(session_id) is None and sessions.living([session_id]) == set()
    set_ban(banned, "null")
    assert sessions.living([session_id]) == {session_id}
    assert (found := sessions.of(session_id)) is not None and found.user.user_id == banned.user_id
    sessions.close_session(session_id)


# --- the REST API -------------------------------------------------------------------------------------------

#: what a person who has nothing to do with the company is answered, and one who is not signed in; by route
API: dict[tuple[str, str], tuple[int, int]] = {
    ("GET", "/api/health"): (200, 200),
    ("GET", "/api/v1/tenants"): (200, 401),
    ("GET", "/api/v1/tenants/{slug}/reports"): (404, 401),
    ("GET", "/api/v1/tenants/{slug}/reports/{report_id}"): (404, 401),
    ("GET", "/api/v1/reports/{report_id}"): (404, 401),
    ("GET", "/api/v1/tenants/{slug}/runs"): (404, 401),
    ("POST", "/api/v1/tenants/{slug}/runs"): (404, 401),
    ("POST", "/api/v1/tenants/{slug}/backfill"): (404, 401),
    ("GET", "/api/v1/runs/{run_id}"): (404, 401),
    ("POST", "/api/v1/runs/{run_id}/stop"): (404, 401),
    ("POST", "/api/v1/runs/{run_id}/retry"): (404, 401),
}


async def test_every_route_refuses_who_has_nothing_to_do_with_it(site: Site, world: World) -> None:
    described = site.app.openapi()["paths"]
    routes = {
        (method.upper(), path)
        for path, operations in described.items()
        if path.startswith("/api/")
        for method in operations
    }
    assert routes == set(API)
    start, end = hour(world)
    body = {"from": start, "to": end}
    people = {"stranger": await site.signed_in("stranger"), "nobody": await site.signed_in("nobody")}
    wrong = {}
    for (method, path), (foreign, unknown) in API.items():
        url = path.format(slug="alpha", report_id=report_of(world), run_id=world.runs["failed"].run_id)
        for name, browser in (*people.items(), ("", site.browser())):
            answer = await browser.request(method, url, json=body if method == "POST" else None, headers=ORIGIN)
            if answer.status_code not in ((foreign if name else unknown), *((503,) if url == "/api/health" else ())):
                wrong[f"{name or 'not signed in'} {method} {url}"] = answer.status_code
    assert wrong == {}
    member = await site.signed_in("user")
    answer = await member.post("/api/v1/tenants/alpha/backfill", json={"from": world.day.isoformat()}, headers=ORIGIN)
    assert answer.status_code == 403
