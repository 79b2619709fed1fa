"""Buttons under a report for the cases it advises: what they say, and what a press of one means. Pure.

The data of a button names a case by a short hash: no id of a client, a dialog or a deal leaves in it, and it fits Telegram's
64 bytes. Whoever hears a press finds the case among those the company's reports named.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synkro.reporting.body import Action
from synkro.reporting.cases import Case

#: as many as a message shows
SHOWN = 3
_REASONS = {"d": "done", "n": "no_reply_needed", "r": "not_relevant"}
_TEXTS = {"done": "Сделано", "no_reply_needed": "Ответ не нужен", "not_relevant": "Не актуально"}
_DATA = re.compile(r"case:([0-9a-f]{16})(?::([dnrub]))?")


@dataclass(frozen=True)
class Press:
    """``what``: menu, dismiss, undo or back; ``reason`` of a dismissal."""

    key: str
    what: str
    reason: str | None = None


def key_of(case_id: str) -> str:
    return hashlib.sha256(case_id.encode()).hexdigest()[:16]


def read(data: str) -> Press | None:
    """What a press means; None for a button that is not one of these."""
    found = _DATA.fullmatch(data)
    if found is None:
        return None
    key, letter = found.groups()
    if letter in _REASONS:
        return Press(key, "dismiss", _REASONS[letter])
    return Press(key, {None: "menu", "u": "undo", "b": "back"}[letter])


def rows(actions: Sequence[Action], known: Mapping[str, Case] | None = None) -> list[list[dict[str, str]]]:
    """One row: a button an action, by its number in the message. ``known``: the cases as they are now, by id."""
    buttons = []
    for number, action in enumerate(actions[:SHOWN], 1):
        if action.case_id is None:
            continue
        case, data = (known or {}).get(action.case_id), f"case:{key_of(action.case_id)}"
        if case is not None and case.state == "dismissed":
            buttons.append({"text": f"{number}. Вернуть", "callback_data": f"{data}:u"})
        elif case is None or case.is_open:
            buttons.append({"text": f"{number}. Отметить", "callback_data": data})
    return [buttons] if buttons else []


def menu(key: str) -> list[list[dict[str, str]]]:
    """What may be said of one case."""
    said = [[{"text": _TEXTS[reason], "callback_data": f"case:{key}:{letter}"}] for letter, reason in _REASONS.items()]
    return [*said, [{"text": "Назад", "callback_data": f"case:{key}:b"}]]


def said_of(reason: str | None) -> str:
    """As the answer to a press tells it: «ответ не нужен»."""
    return _TEXTS.get(reason or "", "").lower()
