"""What a report is made of, by hand: waits, dialogs, readings and numbers as plain values, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from analysis.reading.models import Item, Promise, Reading, Score
from analysis.report.context import AnalysisContext, DialogReading, ReadingsOutcome
from analysis.report.inputs import Facts
from analysis.topics import pack
from synkro.core.windows import Window
from synkro.metrics.queries import Waiting
from synkro.reporting.dialogs import Dialog

FURNITURE = pack("furniture").catalogue
WINDOW = Window(datetime(2026, 11, 19, 17, 1, tzinfo=UTC), datetime(2026, 11, 20, 17, 1, tzinfo=UTC))
DAY = date(2026, 11, 20)


def wait(key: str, minutes: float = 60, **changes: Any) -> Waiting:
    """Client ``key`` waits in dialog ``key``; nobody is responsible, nothing is overdue, no deal."""
    one = Waiting(
        wait_id=f"w-{key}", client_id=key, client_name=f"Клиент {key}", phone=None, dialog_id=key, channel="whatsapp",
        opened_at=WINDOW.end - timedelta(minutes=minutes), waiting_minutes=minutes, is_overdue=False, manager_id=None,
        manager_name=None, deal_id=None, deal_name=None, price=None, last_text="",
    )  # fmt: skip
    return replace(one, **changes)


def dialog(key: str, **changes: Any) -> Dialog:
    one = Dialog(
        dialog_id=key, client_id=key, client_name=f"Клиент {key}", phone=None, channel="whatsapp", deal_id=None,
        deal_name=None, stage=None, stage_kind=None, price=None, loss_reason=None, manager_id=None, manager_name=None,
        messages=4, waits=1, has_open_wait=False, transcript_hash="h",
    )  # fmt: skip
    return replace(one, **changes)


def item(kind: str, quote: str = "", message: str = "m1", author: str = "") -> Item:
    return Item(kind, (message,), quote or f"слова: {kind}", author=author)


def promise(text: str, deadline: date | None = None, **changes: Any) -> Promise:
    """Of the manager, not kept."""
    one = Promise(text=text, who="manager", deadline=deadline, message_ids=("m1",), quote=f"{text} точно")
    return replace(one, **changes)


def score(name: str, points: int, quote: str = "", author: str = "") -> Score:
    return Score(name, points, ("m1",), quote or f"{name}: {points}", author)


def read(key: str, by: str = "rules", deal: dict[str, Any] | None = None, **reading: Any) -> DialogReading:
    """Dialog ``key`` (``deal``: changes of it) and what was understood of it."""
    return DialogReading(dialog(key, **deal or {}), Reading(**reading), by)


def context(**changes: Any) -> AnalysisContext:
    one = AnalysisContext(
        tenant_id=UUID(int=1), company="Мебель Алма", run_id=None, window=WINDOW, report_type="daily",
        timezone="Asia/Almaty", period_start=DAY, period_end=DAY, topics=FURNITURE,
    )  # fmt: skip
    return replace(one, **changes)


def outcome(*readings: DialogReading, **changes: Any) -> ReadingsOutcome:
    """All of the readings, read by the rules."""
    found = ReadingsOutcome(list(readings), total=len(readings), read=len(readings))
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def numbers_of(**changes: Any) -> dict[str, Any]:
    """A day with chats and deals, complete until its end."""
    return {
        "messages": 48, "client_messages": 26, "waits": 31, "sessions": 9, "dialogs": 7, "clients": 7, "deals": 5, "new_clients": 3,
        "first_response_p50": 12.0, "first_response_n": 21, "answered_within_target": 0.84, "answered_within_target_n": 29,
        "unanswered_now": 2, "unanswered_overdue": 1, "breached": 5, "money_at_risk": 1_650_000, "deals_won": 3,
        "deals_won_amount": 870_000, "deals_lost": 1, "as_of": "2026-11-20T17:01:00+00:00", "is_complete": True,
        "label_date": "2026-11-20",
    } | changes  # fmt: skip


def facts(numbers: dict[str, Any] | None = None, **changes: Any) -> Facts:
    return Facts(numbers_of() if numbers is None else numbers, currency="KZT", **changes)


def plain(value: Any) -> Any:
    """The same with ordinary spaces, for reading."""
    if isinstance(value, str):
        return value.replace("\u00a0", " ")
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value
