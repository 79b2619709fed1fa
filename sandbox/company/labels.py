"""What a careful reader says about a line, known from the story: the step that wrote the line knows what it means.

A template carries its label between angle brackets (``sandbox/README.md``): ``Сколько стоит {product}?<R question>``. The
words are those of ``bench/corpus``. No rule of the product is asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.company.model import Company, Message

OUTCOMES = (
    "booked", "bought", "paid", "agreed", "thinking", "refused", "lost_silent", "waiting_us", "served", "complaint_open", "complaint_closed",
)  # fmt: skip
#: a shorter call has reached nobody
REAL_CALL = 15
#: a client whom nobody has written to for so long has not bought
SILENT = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Label:
    """``need`` of a client's line: R needs an answer, N needs none, S either is right, judged as if the dialog ended there."""

    need: str = ""
    reason: str = ""
    #: yes: the line complains about us; may: either is right
    complaint: str = ""
    objection: str = ""
    is_refusal: bool = False
    is_rude: bool = False
    #: yes: one of ours says what he will do; may: either is right
    promise: str = ""
    due: date | None = None
    #: where the line leaves the dialog, one of :data:`OUTCOMES`; empty: where it was
    outcome: str = ""


@lru_cache(maxsize=4096)
def label(mark: str) -> Label:
    """``R question``, ``N refusal, refusal, outcome=refused``, ``promise=2026-11-20``; raises ValueError for an unknown word."""
    values: dict[str, object] = {}
    for word in mark.split(", "):
        name, _, value = word.partition("=")
        if name[:2] in ("R ", "N ", "S "):
            values["need"], values["reason"] = name[0], name[2:]
        elif name in ("complaint", "promise") and not value:
            values[name] = "yes"
        elif name in ("may complaint", "may promise"):
            values[name.removeprefix("may ")] = "may"
        elif name == "promise":
            values["promise"], values["due"] = "yes", date.fromisoformat(value)
        elif name in ("refusal", "rude"):
            values[f"is_{name}"] = True
        elif name == "objection" or (name == "outcome" and value in OUTCOMES):
            values[name] = value
        else:
            raise ValueError(f"unknown word of a label: {word!r} in {mark!r}")
    return Label(**values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class DialogLabel:
    """The label of a whole dialog at a moment."""

    outcome: str
    #: yes, may or empty
    complaint: str
    is_refused: bool
    #: R: somebody waits for us; S: either is right; N: nobody waits
    waits: str
    #: since when, where somebody waits
    since: datetime | None
    #: of the lines of ours that promise: message id and label
    promises: dict[str, Label]


def of_dialogs(company: Company, now: datetime) -> dict[int, DialogLabel]:
    """The label of every client's dialog at ``now``, by the chat's id. Talk of the company's own people has none."""
    answered = _answers(company, now)
    found = {}
    for chat in company.chats:
        said = [message for message in chat.messages if message.at <= now]
        if any(message.label for message in said):
            found[chat.id] = _of_dialog(said, answered.get(person(chat.crm_contact_id, chat.id), []), now)
    return found


def person(crm_contact_id: int | None, chat_id: int) -> str:
    """Dialogs of one card of the CRM are one person's."""
    return f"card {crm_contact_id}" if crm_contact_id is not None else f"chat {chat_id}"


def _answers(company: Company, now: datetime) -> dict[str, list[datetime]]:
    """When each person heard from us: a message in any of his dialogs, or a call that was a talk."""
    found: dict[str, list[datetime]] = {}
    for chat in company.chats:
        who = person(chat.crm_contact_id, chat.id)
        found.setdefault(who, []).extend(m.at for m in chat.messages if m.kind == "manager" and m.at <= now)
    for note in company.notes:
        if note.type in ("call_in", "call_out") and note.params["duration"] >= REAL_CALL and note.created_at <= now:
            found.setdefault(person(note.entity_id, 0), []).append(note.created_at)
    return found


def _of_dialog(said: list[Message], answers: Iterable[datetime], now: datetime) -> DialogLabel:
    labels = [(message, message.label) for message in said if message.label is not None]
    heard = max(answers, default=datetime.min.replace(tzinfo=now.tzinfo))
    open_ = [(m, mark) for m, mark in labels if m.kind == "client" and m.at > heard]
    needs = {mark.need for _, mark in open_}
    waits = "R" if "R" in needs else "S" if "S" in needs else "N"
    since = next((m.at for m, mark in open_ if mark.need == "R"), None)
    complaints = {mark.complaint for _, mark in labels}
    last = next((mark.outcome for _, mark in reversed(labels) if mark.outcome), "")
    ours = [m for m in said if m.kind == "manager"]
    if last in ("complaint_open", "refused", "complaint_closed"):
        outcome = last
    elif waits == "R":
        outcome = "waiting_us"
    elif last:
        outcome = last
    elif ours and said[-1].kind != "client" and now - said[-1].at > SILENT:
        outcome = "lost_silent"
    else:
        outcome = "served"
    return DialogLabel(
        outcome,
        "yes" if "yes" in complaints else "may" if "may" in complaints else "",
        any(mark.is_refusal for _, mark in labels),
        waits,
        since,
        {m.id: mark for m, mark in labels if mark.promise},
    )
