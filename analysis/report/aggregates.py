"""What the readings say together: risks, topics, objections, promises. Counted by code, quoted from dialogs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from analysis.reading import vocabulary as v
from analysis.reading.models import Item
from analysis.reading.normalisation import shown
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from analysis.topics import Catalogue
from analysis.topics.grouping import Group, Question, groups
from synkro.core import phones, russian
from synkro.tenancy.topics import OTHER

_RISK_ORDER = (
    "rude_manager", "refund", "complaint", "angry", "wrong_price", "contradiction", "wrong_fact", "broken_promise", "missed_chance",
    "ignored", "channel_change", "other",
)  # fmt: skip
_RISKS_SHOWN = 2
_QUOTES_SHOWN = 3
_PROMISES_SHOWN = 20
_DIALOGS_LISTED = 50


def risks(readings: Sequence[DialogReading], claims: Claims, told: set[str]) -> list[dict[str, Any]]:
    """The gravest, one a dialog; what the first actions already tell (``told``: dialog ids) is left to them."""
    found: list[tuple[int, int, str, DialogReading, Item]] = []
    for reading in readings:
        for item in reading.reading.risks:
            if reading.dialog.dialog_id in told and item.kind != "rude_manager":
                continue
            rank = _RISK_ORDER.index(item.kind) if item.kind in _RISK_ORDER else len(_RISK_ORDER)
            found.append((rank, -(reading.dialog.price or 0), reading.dialog.dialog_id, reading, item))
    found.sort(key=lambda row: row[:3])
    shown: list[dict[str, Any]] = []
    for _, _, dialog_id, reading, item in found:
        if len(shown) == _RISKS_SHOWN:
            break
        if any(row["dialog_id"] == dialog_id for row in shown):
            continue
        text = _risk_text(reading, item)
        claim = claims.add("risks", text, dialog_id, item.message_ids, item.quote)
        shown.append({"text": text, "kind": item.kind, "claims": [claim], "dialog_id": dialog_id})
    return shown


def _risk_text(found: DialogReading, item: Item) -> str:
    label = v.RISKS.get(item.kind, v.RISKS["other"])
    client = shown(phones.person(found.dialog.client_name, found.dialog.phone, "клиент без имени"), 80)
    quote = f"«{shown(item.quote, 110)}»"
    if item.kind == "rude_manager":
        author = f", {shown(item.author, 80)}" if item.author else ""
        return f"{label}{author} (диалог с клиентом {client}): {quote}"
    return f"{label}, {client}: {quote}"


def risk_dialogs(readings: Sequence[DialogReading], kinds: Sequence[str]) -> list[str]:
    """Dialogs that hold a risk of one of the kinds."""
    return [r.dialog.dialog_id for r in readings if any(item.kind in kinds for item in r.reading.risks)]


def topics(readings: Sequence[DialogReading], known: Catalogue) -> list[dict[str, Any]]:
    """How many dialogs asked about what; what no topic covers comes last, and so does a topic that is no longer there."""
    by_kind: dict[str, list[str]] = {}
    for found in readings:
        for kind in dict.fromkeys(known.key(item.kind) for item in found.reading.topics):
            by_kind.setdefault(kind, []).append(found.dialog.dialog_id)
    order = sorted(by_kind, key=lambda kind: (kind == OTHER, -len(by_kind[kind]), kind))
    return [
        {
            "topic": known.label(k),
            "kind": k,
            "count": len(by_kind[k]),
            "dialog_ids": by_kind[k][:_DIALOGS_LISTED],
        }
        for k in order
    ]


def uncovered(readings: Sequence[DialogReading], known: Catalogue, claims: Claims) -> dict[str, Any] | None:
    """Questions no topic covers, grouped by the words they share, with a few of their quotes; None where there is none."""
    asked = [
        Question(found.dialog.dialog_id, item.message_ids, item.quote)
        for found in readings
        for item in found.reading.topics
        if known.key(item.kind) == OTHER
    ]
    if not asked:
        return None
    return {"count": len(asked), "groups": [_group(group, claims) for group in groups(asked)]}


def _group(group: Group, claims: Claims) -> dict[str, Any]:
    """``words``: what the questions share, empty for the rest."""
    dialog_ids = list(dict.fromkeys(question.dialog_id for question in group.questions))
    return {
        "words": list(group.words),
        "count": len(group.questions),
        "claims": [
            claims.add("uncovered", "Вопрос без темы", one.dialog_id, one.message_ids, one.quote) for one in group.shown
        ],
        "dialog_ids": dialog_ids[:_DIALOGS_LISTED],
    }


def objections(readings: Sequence[DialogReading], claims: Claims) -> list[dict[str, Any]]:
    """How many dialogs held which objection, with a few of their quotes."""
    by_kind: dict[str, dict[str, Item]] = {}
    for found in readings:
        for item in found.reading.objections:
            by_kind.setdefault(item.kind, {}).setdefault(found.dialog.dialog_id, item)
    rows = []
    for kind in sorted(by_kind, key=lambda kind: (-len(by_kind[kind]), kind)):
        label = v.OBJECTIONS.get(kind, v.OBJECTIONS["other"])
        shown = list(by_kind[kind].items())
        rows.append(
            {
                "topic": label,
                "kind": kind,
                "count": len(shown),
                "claims": [
                    claims.add("objections", label, d, i.message_ids, i.quote) for d, i in shown[:_QUOTES_SHOWN]
                ],
                "dialog_ids": [dialog_id for dialog_id, _ in shown[:_DIALOGS_LISTED]],
            }
        )
    return rows


def promises(
    readings: Sequence[DialogReading],
    claims: Claims,
    last_day: date,
    is_open: Mapping[tuple[str, str], bool] | None = None,
) -> list[dict[str, Any]]:
    """Promises not kept, the soonest deadline first, those without one at the end.

    ``is_open``: by dialog and message, what the marts say of what it promises; where they know nothing, what was read.
    """
    known = is_open or {}
    found = [
        (promise.deadline or date.max, reading.dialog.dialog_id, reading, promise)
        for reading in readings
        for promise in reading.reading.promises
        if known.get((reading.dialog.dialog_id, promise.message_ids[0]), not promise.kept)
    ]
    found.sort(key=lambda row: (row[0], row[3].who == "client", row[1], row[3].message_ids))
    rows = []
    for _, dialog_id, reading, promise in found[:_PROMISES_SHOWN]:
        who = (promise.author or reading.dialog.manager_name or "Менеджер") if promise.who == "manager" else "Клиент"
        rows.append(
            {
                "text": shown(promise.text, 140),
                "deadline": promise.deadline.isoformat() if promise.deadline else None,
                "deadline_display": _deadline(promise.deadline, last_day),
                "who": shown(who, 80),
                "client": shown(phones.person(reading.dialog.client_name, reading.dialog.phone), 80),
                "dialog_id": dialog_id,
                "claims": [claims.add("promises", promise.text, dialog_id, promise.message_ids, promise.quote)],
            }
        )
    return rows


def _deadline(deadline: date | None, last_day: date) -> str:
    if deadline is None:
        return "срок не назван"
    passed = "срок прошёл " if deadline < last_day else "до "
    return passed + russian.day(deadline, weekday=True)
