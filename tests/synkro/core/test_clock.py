"""The clock of business moments: it can be moved, for every process at once, and nobody asks the real time past it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from synkro.core import clock
from synkro.core.settings import ROOT, settings
from synkro.database import db
from synkro.runs import watermarks
from synkro.tenancy import runtime_config, tenants
from tests.support.packages import ALL

BACK = timedelta(days=300)

#: who may ask the real time, and why; a new place is a decision
REAL: dict[str, set[str]] = {
    "the clock itself": {"synkro/core/clock.py::now"},
    "a lease, its heartbeat, its end": {
        *(f"synkro/runs/leases.py::{name}" for name in ("claim", "heartbeat", "is_stopping", "hold", "finish")),
        "synkro/runs/reaper.py::reap",
        "orchestration/run/cleanup.py::clear",
        "orchestration/queue/stale_runs.py::_over",
        "services/reports/runs.py::silence",
    },
    "when a row was submitted, or asked to stop, and how long ago": {
        *(f"synkro/runs/queue.py::{name}" for name in ("request_stop", "offer")),
        "orchestration/queue/submission.py::waiting",
        "services/health.py::check",
    },
    "whether a process lives": {
        *(f"synkro/runs/heartbeats.py::{name}" for name in ("beat", "with_older_keys", "is_alive")),
        "app/pages/tenants.py::_services",
        "cli/commands/doctor.py::_engine",
        "cli/alive.py::DAGSTER_BEATS",
    },
    "the pace of a vendor: sliding seconds and blocks": {
        f"synkro/http/ratelimit.py::{name}" for name in ("_BLOCK", "_STOP_ACCOUNT", "_GO_ON_ACCOUNT")
    },
    "letters and updates: claims, pauses between tries, what to give up": {
        *(f"synkro/reporting/delivery/outbox.py::{name}" for name in ("claim", "mark_sent", "mark_retry")),
        *(
            f"delivery/bot/inbox.py::{name}"
            for name in ("next_offset", "note_reply", "mark_handled", "wrong_codes", "asked")
        ),
    },
    "how many uploads in an hour": {"services/settings/chat_imports.py::_check_uploads"},
    "how long a code for a chat lives": {
        *(
            f"synkro/reporting/delivery/telegram_chats.py::{name}"
            for name in ("new_code", "company_of", "bind", "_store")
        ),
    },
    "sessions and attempts to sign in": {
        *(
            f"synkro/accounts/sessions.py::{name}"
            for name in (
                "open_session",
                "of",
                "_LIVING",
                "end_all",
                "end_one",
                "after_second_factor",
                "after_new_password",
                "close_session",
            )
        ),
        *(f"synkro/accounts/embedded.py::{name}" for name in ("verify", "set_blocked")),
        *(f"synkro/accounts/attempts.py::{name}" for name in ("take", "_note", "write_down")),
        *(f"app/auth.py::{name}" for name in ("set_device_cookie", "device_in", "_step_value", "step_in")),
        *(f"synkro/accounts/second_factor.py::{name}" for name in ("confirm", "check", "_step_of")),
        *(f"synkro/accounts/links.py::{name}" for name in ("make", "use")),
        *(f"synkro/tenancy/invitations.py::{name}" for name in ("_OPEN", "make", "_accept", "take_back")),
    },
    "money is counted in days of the real time, where the calls are": {
        "synkro/reporting/spending.py::refused",
        "synkro/reporting/spending.py::overview",
    },
    "a stamp beside a row: when it was written": {
        *(
            f"synkro/connectors/integrations.py::{name}"
            for name in ("save_public", "set_status", "save_secrets", "_reseal")
        ),
        *(f"synkro/reporting/reconciliation.py::{name}" for name in ("_COUNT_ALL", "_COUNT_TOUCHED")),
        *(f"synkro/reporting/report_windows.py::{name}" for name in ("save", "add_missing")),
        "synkro/reporting/reports.py::answer",
        *(f"synkro/tenancy/tenants.py::{name}" for name in ("set_status", "rename")),
        *(f"synkro/tenancy/users.py::{name}" for name in ("make_profile", "update_profile")),
        "synkro/reporting/intents.py::correct",
        "synkro/tenancy/topics.py::save",
        *(f"synkro/accounts/embedded.py::{name}" for name in ("add", "set_password", "set_email", "verify")),
        "synkro/runs/watermarks.py::keep_backfill",
        "orchestration/dbt/scope.py::stood",
        "orchestration/dbt/scope.py::_WATERMARK",
        "synkro/reporting/delivery/deliveries.py::told",
    },
    "the last week's failures, by such stamps": {"services/companies.py::_line"},
    "Dagster's own stamps": {"orchestration/defs/retention.py::build"},
    "the hour beside a line on the terminal": {"cli/commands/reports.py::_watch"},
    "a simulated vendor: the clock it has when it is given none": {
        "sandbox/server.py::start",
        "sandbox/company/world.py::World.__init__",
    },
    "a simulated vendor: lives of tokens, ages of updates, its request log": {
        *(f"sandbox/vendors/amocrm/oauth.py::Tokens.{name}" for name in ("accepts", "_issue")),
        *(f"sandbox/faults/request_log.py::RequestLog.{name}" for name in ("arrived", "violation")),
        "sandbox/vendors/llm/app.py::Server.chat",
        *(f"sandbox/vendors/telegram/bot.py::Bot.{name}" for name in ("_deliver", "edit_message_text")),
        *(f"sandbox/vendors/telegram/updates.py::Updates.{name}" for name in ("_forget_old", "add")),
    },
}

#: a hosted project has a server and a clock of its own, as real as ours
OWN_CLOCK = "sandbox/vendors/supabase/"

_ASKED = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime", "strftime"},
}
#: ``now() + %(offset)s`` is the clock
_IN_SQL = re.compile(
    r"\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)(?! \+ %\(offset\)s)"
    r"|\b(?:current_date|current_timestamp|localtimestamp)\b",
    re.IGNORECASE,
)


def asks(node: ast.AST) -> bool:
    """Whether this expression is the real time: a clock of Python, or one of Postgres in a text."""
    if isinstance(node, ast.Attribute):
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        return node.attr in _ASKED.get(owner, ())
    if isinstance(node, ast.ImportFrom):
        return node.module == "time" and not _ASKED["time"].isdisjoint(name.name for name in node.names)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_IN_SQL.search(node.value))


def places(path: str, text: str) -> Iterator[str]:
    """``file::name`` of everything at the top of a module, or method of a class, that asks the real time."""
    tree = ast.parse(text)
    for node in list(ast.walk(tree)):
        # a docstring may speak of the time
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body[0] = ast.Pass()
    for top in tree.body:
        for part in top.body if isinstance(top, ast.ClassDef) else [top]:
            if any(asks(node) for node in ast.walk(part)):
                yield f"{path}::{'' if part is top else f'{_name(top)}.'}{_name(part)}"


def _name(node: ast.AST) -> str:
    """Of what is defined or assigned here."""
    targets = getattr(node, "targets", None) or [getattr(node, "target", node)]
    return getattr(node, "name", None) or getattr(targets[0], "id", "")


def test_the_real_time_is_asked_only_where_it_is_meant() -> None:
    found = {
        place
        for package in ALL
        for path in sorted((ROOT / package).rglob("*.py"))
        if not path.relative_to(ROOT).as_posix().startswith(OWN_CLOCK)
        for place in places(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    }
    allowed = {place for named in REAL.values() for place in named}
    assert found - allowed == set(), "a business moment is clock.now(), in SQL now() + %(offset)s; else give a reason"
    assert allowed - found == set(), "nothing there asks the real time any more"


def test_the_marts_ask_no_clock() -> None:
    files = [path for path in (ROOT / "transforms").rglob("*.sql") if "target" not in path.parts]
    assert len(files) > 30
    asking = [path.name for path in files if _IN_SQL.search(re.sub(r"--.*|\{#.*?#\}", "", path.read_text("utf-8")))]
    assert asking == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f():\n    return datetime.now(UTC)", ["x.py::f"]),
        ("started = field(default_factory=datetime.datetime.now)", ["x.py::started"]),
        ("class A:\n    def b(self): return date.today()\n    def c(self): return 1", ["x.py::A.b"]),
        ("from time import time", ["x.py::"]),
        ("QUERY = f'select {a} where at < NOW() - %s'", ["x.py::QUERY"]),
        ("QUERY = 'values (current_date)'", ["x.py::QUERY"]),
        ("QUERY = 'select now() + %(offset)s'", []),
        ("def f():\n    '''As SQL's now().'''\n    return clock.now() - monotonic()", []),
    ],
)
def test_the_look_finds_what_it_looks_for(text: str, found: list[str]) -> None:
    assert list(places("x.py", text)) == found


# --- the clock -----------------------------------------------------------------------------------------------


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SYNKRO_CLOCK_OFFSET_SECONDS", str(-BACK.total_seconds()))
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_a_moved_clock_runs_on(moved: None) -> None:
    before = datetime.now(UTC)
    first, second = clock.now(), clock.now()
    after = datetime.now(UTC)
    assert before - BACK <= first <= second <= after - BACK
    assert clock.of(before) == before - BACK and clock.of(None) is None


def test_every_process_has_the_same_clock(moved: None) -> None:
    ask = [sys.executable, "-c", "from synkro.core import clock; print(clock.now().isoformat())"]
    before = clock.now()
    told = subprocess.run(ask, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    assert before <= datetime.fromisoformat(told) <= clock.now()


def test_the_database_writes_business_moments_by_the_clock(database: str, moved: None) -> None:
    with db.as_service("test") as connection:
        before = clock.now()
        tenant = tenants.add(connection, "Окна", f"t{uuid4().hex[:8]}", "Asia/Almaty").tenant_id
        runtime_config.start(connection, tenant, "Asia/Almaty")
        watermarks.advance(connection, tenant, "radist", "messages", before + timedelta(days=1))
        (version,) = runtime_config.history(connection, tenant)
        mark = watermarks.find(connection, tenant, "radist", "messages")
    assert mark is not None and mark.updated_at is not None
    # one transaction, one moment: the version is in force from it on, and no mark lies beyond it
    assert mark.complete_until == mark.updated_at == version["created_at"]
    assert abs(mark.complete_until - before) < timedelta(minutes=1)
