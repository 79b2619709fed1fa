"""The report's page as an outline of text, drawn without a server or a database: one line an element that says something.

``python -m tests.app.pages.outline`` writes what the code makes of the days now into ``golden/``: read the difference before it is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from nicegui import Client, ui

from app.pages import report as report_page
from app.texts import speaking
from services.access import Viewer
from services.reports.view import ReportView
from synkro.core import clock
from synkro.metrics.live import Live
from synkro.metrics.queries import Baseline
from synkro.reporting.body import Body
from synkro.reporting.delivery.outbox import Item
from synkro.reporting.reports import Draft, Message, Report
from synkro.reporting.restatements import Change, Correction
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import User
from tests.analysis.days import DAYS
from tests.analysis.inputs import dialog, plain, wait

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)
TENANT = Tenant(UUID(int=1), "Мебель Алма", "alma", "active", "Asia/Almaty", NOW)  # type: ignore[arg-type]
_REPORT_ID, _FIRST_ID, _USER_ID = UUID(int=7), UUID(int=6), UUID(int=3)
_USER = User(_USER_ID, "asel@example.com", "Асель", "Asia/Almaty", "ru", None, False)
USER = Viewer(_USER, (TENANT,), {TENANT.tenant_id: "user"})
ADMIN = Viewer(_USER, (TENANT,), {TENANT.tenant_id: "admin_lite"})
#: attributes by which an element says where it leads, or what it is to a test and to a person
_DRAWN = ("svg", "line", "rect", "path", "polyline", "circle", "text", "title", "g")
_SAID = ("href", "data-testid", "data-label", "placeholder", "role", "download")


def report_of(draft: Draft, **changes: Any) -> Report:
    """The report as it is stored."""
    values = {
        field.name: getattr(draft, field.name) for field in fields(draft) if field.name not in ("window", "report_id")
    }
    return Report(
        **values | {
            "tenant_id": TENANT.tenant_id, "report_id": _REPORT_ID, "run_id": None, "window_start": draft.window.start,
            "window_end": draft.window.end, "version": 1, "is_current": True, "status": "sent", "created_at": NOW, "sent_at": NOW,
        } | changes
    )  # fmt: skip


def view_of(draft: Draft, **changes: Any) -> ReportView:
    """The page of the draft; nothing around it unless it is named."""
    values: dict[str, Any] = {
        "tenant": TENANT, "report": report_of(draft), "versions": [], "thread": [], "waiting": [], "managers": [], "dialogs": [],
        "dialogs_total": 0, "history": [], "baseline": Baseline(), "lines": [], "counts": [], "log": [], "outbox": [], "currency": "KZT",
        "deal_page": draft.body.header.deal_page,
    }  # fmt: skip
    return ReportView(**values | changes)


def _whole() -> ReportView:
    """A second version with everything around it: eleven who wait, eleven dialogs, managers, questions, a correction."""
    draft = DAYS["revised"]()
    report = report_of(draft, version=2, is_complete=False, cost_usd=draft.cost_usd + 1)
    report.numbers.update(
        {
            "excluded_dialogs": 4,
            "waits_answered": 21,
            "waits_unattributed": 2,
            "open_unassigned": 0,
            "overdue_unassigned": 0,
        }
    )
    waits = [
        wait("w1", 300, client_name="Айгерим", phone="+77010000001", is_overdue=True, manager_name="Асель", deal_name="Кухня",
             price=450_000, last_text="Наберите +7 701 000 00 01"),
        wait("w2", 14, client_name="", phone="+77010000002"),
        wait("w3", 30, client_name="+7 701 000 00 03", phone="+77010000003", price=0),
        *[wait(f"x{n}", 10) for n in range(8)],
    ]  # fmt: skip
    managers = [
        {"manager_id": "7", "name": "Асель", "waits_answered": 10, "response_p50": 6.2, "within_target": 0.92, "within_target_n": 25, "open_waits": 1, "open_overdue": 0, "messages_sent": 1040},
        {"manager_id": "8", "name": "Данияр", "waits_answered": 9, "response_p50": 31.0, "within_target": 0.5, "within_target_n": 4, "open_waits": 2, "open_overdue": 1, "messages_sent": 9},
    ]  # fmt: skip
    dialogs = [
        dialog("w1", client_name="Айгерим", phone="+77010000001", deal_name="Кухня", stage="Замер", price=450_000, manager_name="Асель", has_open_wait=True),
        dialog("d2", deal_name="Шкаф +7 701 555 44 33", stage=None, price=None, messages=1200),
        *[dialog(f"y{n}") for n in range(9)],
    ]  # fmt: skip
    asked = {
        "tenant_id": TENANT.tenant_id,
        "report_id": _REPORT_ID,
        "author_id": None,
        "created_at": NOW,
        "answered_at": NOW,
    }
    thread = [
        Message(report_message_id=UUID(int=11), question="Кто ждёт?", answer="Айгерим, +7 701 000 00 01", author_name="Асель",
                channel="telegram", evidence=[report.claims[1]], **asked),
        Message(report_message_id=UUID(int=12), question="Почему?", answer=None, author_name="Олег", channel="web", evidence=[], **asked),
    ]  # fmt: skip
    letter = Item(
        TENANT.tenant_id,
        UUID(int=20),
        _REPORT_ID,
        "telegram",
        "5",
        {},
        "failed",
        3,
        False,
        NOW,
        "чат закрыт",
        None,
        NOW,
        None,
    )
    history = [{"dialogs": 5 + n, "first_response_p50": None} for n in range(5)]
    return view_of(
        draft, report=report, versions=[report, report_of(draft, report_id=_FIRST_ID, is_current=False)], thread=thread,
        waiting=waits, managers=managers, dialogs=dialogs, dialogs_total=31, history=history,
        baseline=Baseline(windows=4, unit="weekday", values={"dialogs": 10.0, "deals": 5.0, "breached": 2.0}), outbox=[letter, replace(letter, status="sent", last_error=None)],
        correction=Correction(NOW, (Change("dialogs", 7, 8), Change("money_at_risk", 1_650_000, None))),
        next_attempt=NOW + timedelta(hours=2), lacks=["radist"],
        missing=[{"source": "radist", "reason": "не отвечал"}, {"source": "amocrm", "reason": None}],
        live=Live(NOW, 11, 1, 450_000), answered=frozenset({"w-w2"}),
    )  # fmt: skip


def _old() -> ReportView:
    """A version that is not the current one, of a report whose body lacks nearly everything."""
    draft = replace(
        DAYS["quiet"](),
        body=Body.read({"headline": []}),
        summary_text="Звоните +7 701 555 44 33",
        numbers={"messages": 4, "dialogs": 2, "deals_won": 1},
    )
    old = report_of(draft, is_current=False, report_id=_FIRST_ID, as_of=None, is_complete=False)
    return view_of(draft, report=old, versions=[report_of(draft, version=2), old])


def _promised(name: str, **changes: Any) -> ReportView:
    """An incomplete day whose next attempt was planned anew, or is no more."""
    return view_of(DAYS[name](), lacks=["radist"], **changes)


#: nobody reads who waits
_OF_DEALS = ("amocrm_only", "amocrm_only_quiet", "after_switch_to_deals")

PAGES: dict[str, Callable[[], tuple[ReportView, Viewer, str]]] = {
    "whole": lambda: (_whole(), ADMIN, "ru"),
    "whole_in_english": lambda: (_whole(), USER, "en"),
    "old": lambda: (_old(), USER, "ru"),
    "incomplete": lambda: (_promised("incomplete", next_attempt=NOW + timedelta(hours=1)), USER, "ru"),
    "outdated": lambda: (view_of(DAYS["weekly"](), live=Live(NOW, 0, 0, 0), is_outdated=True), USER, "ru"),
    "given_up": lambda: (_promised("incomplete"), USER, "ru"),
    **{name: lambda name=name: (view_of(DAYS[name](), live=None if name in _OF_DEALS else Live(NOW, 0, 0, 0)), USER, "ru") for name in (*_OF_DEALS, "radist_only", "after_switch_to_dialogs", "after_switch_to_both", "quiet", "little", "model_in_part", "weekly")},  # type: ignore[misc]
}  # fmt: skip
#: pages of which only what stands above the numbers is their own
HEADS = ("incomplete", "outdated", "given_up", "model_in_part", "weekly")


def outline(view: ReportView, viewer: Viewer, language: str = "ru") -> str:
    """The page below its heading."""
    with (
        # «сегодня» is the evening of the report's day, and its stamps were written on this clock
        patch.object(clock, "now", lambda: NOW),
        patch.object(clock, "offset", timedelta),
        speaking(language),
        Client(ui.page("/outline"), request=None),
        ui.element("main") as root,
    ):
        report_page.content(view, viewer)
    return str(plain("\n".join(lines_of(root)))) + "\n"


def golden(name: str) -> str:
    """What stands in ``golden/`` of the page."""
    text = outline(*PAGES[name]())
    return text.partition("section.card.stack data-testid=numbers")[0] if name in HEADS else text


def lines_of(element: Any, depth: int = 0, *, shapes: bool = False) -> Iterator[str]:
    """One line an element that says something. ``shapes``: of a picture its lines, bars and words too."""
    if element.tag == "svg" and (not shapes or "icon" in element._classes):
        yield "  " * depth + f"svg {' '.join(sorted(element._classes))}"
        return
    text = getattr(element, "text", None)
    is_drawn = shapes and element.tag in _DRAWN
    told = sorted(set(element._props) - {"id", "innerHTML", "text"}) if is_drawn else _SAID
    said = [
        f"{name}={element._props[name]}"
        for name in told
        if element._props.get(name) is not None and element._props[name] != ""
    ]
    style = ";".join(f"{name}:{value}" for name, value in element._style.items())
    # a bare wrapper says nothing and takes no line
    if text or said or style or element.tag in ("section", "details", "tr", "h2"):
        classes = "." + ".".join(element._classes) if element._classes else ""
        parts = [element.tag + classes, f"«{text}»" if text else "", *said, f"[{style}]" if style else ""]
        yield "  " * depth + " ".join(part for part in parts if part)
        depth += 1
    for child in element.default_slot.children:
        yield from lines_of(child, depth, shapes=shapes)


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name in PAGES:
        (GOLDEN / f"{name}.txt").write_text(golden(name), encoding="utf-8")


if __name__ == "__main__":
    main()
