"""Every other page of the world's companies as an outline of text: what is drawn, in which order, with which words, links and shapes.

``SYNKRO_TEST_GOLDEN=write`` writes what the code draws now into ``golden_pages/``: read the difference before it is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from nicegui import Client, ui
from psycopg.types.json import Jsonb
from starlette.requests import Request

from app import pages
from app.layout import PAGES
from app.texts import speaking
from services import access
from synkro.core import clock
from synkro.database import db
from synkro.tenancy import users
from tests.app import fixtures as worlds
from tests.app.fixtures import World
from tests.app.pages.outline import lines_of
from tests.conftest import entry_points_to
from tests.support.moment import standing_at

GOLDEN = Path(__file__).parent / "golden_pages"
#: the words of a page name days: the world stands on this one, whatever the day is outside
MOMENT = "2026-03-18T11:20:20+00:00"
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Drawn:
    """A page by whom and how: its address in :data:`PAGES`, its parameters, texts or made of the world."""

    path: str
    person: str
    parameters: dict[str, Any] = field(default_factory=dict)
    language: str = "ru"


def report(slug: str) -> Callable[[World], str]:
    return lambda world: str(world.reports[slug].report_id)


SCOPE = {
    "type": "http", "method": "GET", "scheme": "http", "server": ("test", 80), "path": "/outline", "root_path": "", "query_string": b"", "headers": [],
    "state": {"caller": SimpleNamespace(session_id="this browser")},
}  # fmt: skip
ALPHA = {"slug": "alpha"}
DRAWN: dict[str, Drawn] = {
    "overview": Drawn("/", "operator"),
    "overview_of_a_member": Drawn("/", "user"),
    "overview_of_nobody": Drawn("/", "nobody"),
    "reports": Drawn("/t/{slug}/reports", "admin", ALPHA),
    "reports_of_the_operator": Drawn("/t/{slug}/reports", "operator", ALPHA),
    "reports_of_a_new_company": Drawn("/t/{slug}/reports", "admin", {"slug": "gamma"}),
    "dialog": Drawn("/t/{slug}/dialogs/{dialog_id:path}", "admin", {**ALPHA, "dialog_id": "alpha:d/0"}),
    "dialog_in_english": Drawn("/t/{slug}/dialogs/{dialog_id:path}", "admin", {**ALPHA, "dialog_id": "alpha:d/0"}, "en"),
    "data": Drawn("/t/{slug}/data", "user", ALPHA),
    "data_of_a_new_company": Drawn("/t/{slug}/data", "admin", {"slug": "gamma"}),
    "cases": Drawn("/t/{slug}/cases", "user", ALPHA),
    "cases_of_a_manager": Drawn("/t/{slug}/cases", "user", {**ALPHA, "kind": "wait_overdue", "manager": "alpha-m0"}),
    "cases_of_a_new_company": Drawn("/t/{slug}/cases", "admin", {"slug": "gamma"}),
    "dashboards": Drawn("/t/{slug}/dashboards", "user", ALPHA),
    "dashboards_of_a_new_company": Drawn("/t/{slug}/dashboards", "admin", {"slug": "gamma"}),
    "rows_messages": Drawn("/t/{slug}/reports/{report_id}/rows/{metric}", "user", {**ALPHA, "report_id": report("alpha"), "metric": "messages"}),
    "rows_waits": Drawn("/t/{slug}/reports/{report_id}/rows/{metric}", "user", {**ALPHA, "report_id": report("alpha"), "metric": "unanswered_now"}),
    "rows_deals": Drawn("/t/{slug}/reports/{report_id}/rows/{metric}", "user", {**ALPHA, "report_id": report("alpha"), "metric": "money_at_risk"}),
    **{f"settings_{tab}": Drawn("/t/{slug}/settings", "admin", {**ALPHA, "tab": tab}) for tab in ("integrations", "runtime", "calendar", "topics", "people")},
    "settings_runtime_in_english": Drawn("/t/{slug}/settings", "admin", {**ALPHA, "tab": "runtime"}, "en"),
    "tenants": Drawn("/tenants", "operator"),
    "profile": Drawn("/profile", "user"),
    "accounts": Drawn("/accounts", "operator"),
    "account": Drawn("/accounts/{user_id}", "operator", {"user_id": lambda world: str(world.people["user"].user_id)}),
    "audit": Drawn("/audit", "admin", {"tenant": "alpha"}),
}  # fmt: skip
#: drawn of days that ``test_golden`` has already
ELSEWHERE = {"/t/{slug}/reports/{report_id}"}


@pytest.fixture(scope="module")
def still(make_database: Callable[[str | None], str], template: str) -> Iterator[World]:
    secrets = {"SYNKRO_WEB_SECRET": "f3a9c1e07b5d4826a1c0e9d8b7f65432"}
    with entry_points_to(make_database(template), **secrets, **standing_at(MOMENT)) as url:
        world = worlds.fill(url)
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(
                "insert into synkro.dialog_readings (tenant_id, dialog_id, content_hash, prompt_version, model, reading)"
                " select tenant_id, dialog_id, 'hash', 'p', 'rules', %s from marts.dim_dialogs where dialog_id = 'alpha:d/0'",
                (Jsonb(READING),),
            )
        yield world


READING = {
    "outcome": {"kind": "thinking", "message_ids": ["1"], "quote": "Подумаю"},
    "topics": [{"kind": "price", "message_ids": ["1"], "quote": "Сколько стоит"}, {"kind": "delivery", "message_ids": ["1"], "quote": "Когда"}],
    "objections": [{"kind": "price", "message_ids": ["1"], "quote": "дорого", "text": "у соседей дешевле"}],
    "risks": [{"kind": "complaint", "message_ids": ["1"], "quote": "верните"}],
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
async def test_the_page(still: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = await drawn(still, DRAWN[name], monkeypatch)
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("SYNKRO_TEST_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_page_is_drawn() -> None:
    pages.register_all()
    assert set(PAGES) - ELSEWHERE == {one.path for one in DRAWN.values()}
    assert {path.stem for path in GOLDEN.iterdir()} == set(DRAWN)


async def drawn(world: World, one: Drawn, patch: pytest.MonkeyPatch) -> str:
    """The whole page below its frame; ids that are made anew are numbered in the order they appear."""
    pages.register_all()
    patch.setattr(clock, "now", lambda: datetime.fromisoformat(MOMENT) + timedelta(minutes=5))
    viewer = access.viewer(world.people[one.person])
    parameters = {name: value(world) if callable(value) else value for name, value in one.parameters.items()}
    # a page that names the browser it is shown in asks for its session
    request = Request(SCOPE)
    with speaking(one.language), Client(ui.page("/outline"), request=request) as client:
        await PAGES[one.path](viewer, **parameters)
        # the frame with its navigation once, on the overview of each
        drawn = client.layout if one.path == "/" else next(e for e in client.elements.values() if e.tag == "main")
        text = "\n".join(lines_of(drawn, shapes=True)) + "\n"
    with db.as_service("test") as connection:
        for number, user in enumerate(sorted(world.people.values(), key=lambda user: user.email)):
            text = text.replace(str(user.user_id), f"<person {number}>")
        assert users.memberships(connection, world.people["admin"].user_id)
    seen: dict[str, str] = {}
    return _UUID.sub(lambda match: seen.setdefault(match[0], f"<id {len(seen) + 1}>"), text)
