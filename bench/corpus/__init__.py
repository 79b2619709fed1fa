"""The corpus: 360 dialogs of six businesses in six styles, each client line labelled by a careful reader (README.md).

:func:`load` reads it and refuses anything that does not follow the format, so that a slip of the pen is no measurement.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analysis.intents.linear import CLOSED_REASONS, OPEN_REASONS

FOLDER = Path(__file__).parent
BUSINESSES = ("auto_service", "clinic", "education", "furniture", "real_estate", "wholesale")
STYLES = ("shorthand", "nopunct", "bursts", "voice", "kazmix", "formal")
OUTCOMES = (
    "booked", "bought", "paid", "agreed", "thinking", "refused", "lost_silent", "waiting_us", "served", "complaint_open", "complaint_closed",
)  # fmt: skip
OBJECTIONS = (
    "price", "term", "trust", "competitor", "quality", "distance", "assortment", "payment", "authority", "need",
)  # fmt: skip
#: day 1 of a dialog, a Monday; the corpus's clock stands in UTC+5
MONDAY = datetime(2026, 11, 2, tzinfo=UTC) - timedelta(hours=5)
TIMEZONE = "Asia/Almaty"

_HEADER = re.compile(
    r"@ (\S+) \| style=(\w+) \| outcome=(\w+) \| topics=(\S+) \| complaint=(yes|no) \| refused=(yes|no)"
)
_LINE = re.compile(r"(C|B|M(?::[^\s\d]\S*(?: [^\s\d]\S*)?)?) (\d{1,2}) (\d\d):(\d\d) (.+)")
_TOPIC = re.compile(r"# topic: (\S+) — (.+)")
_EXCHANGE = re.compile(r"([CMB]) (?:\+(\d+) )?(.+)")
_WHO = {"C": "client", "M": "manager", "B": "bot"}
_OURS_ONLY, _CLIENTS_ONLY = {"promise", "rude"}, {"complaint", "objection", "refusal", "client_promise"}


class CorpusError(ValueError):
    """A line that does not follow the format; says file and line."""


@dataclass(frozen=True)
class Line:
    """One message. ``need`` of a client's line: R needs an answer, N needs none, S either is right."""

    who: str
    name: str
    sent_at: datetime
    text: str
    need: str = ""
    reason: str = ""
    objections: tuple[str, ...] = ()
    is_complaint: bool = False
    is_refusal: bool = False
    is_rude: bool = False
    #: the deadline in the words of the line, «-» without one; None: no promise
    promise: str | None = None


@dataclass(frozen=True)
class Dialog:
    """One chat with the labels of the whole."""

    dialog_id: str
    business: str
    style: str
    outcome: str
    topics: tuple[str, ...]
    is_complaint: bool
    is_refused: bool
    lines: tuple[Line, ...]


def load() -> list[Dialog]:
    """Every dialog of every business."""
    return [dialog for business in BUSINESSES for dialog in read(FOLDER / f"{business}.txt")]


def read(path: Path) -> list[Dialog]:
    """The dialogs of one file; raises :class:`CorpusError`."""
    return list(_dialogs(path.stem, path.read_text(encoding="utf-8"), path.name))


def exchanges() -> list[Dialog]:
    """Short exchanges of other businesses, to train on only: one hand wrote them, so they measure nothing."""
    path = FOLDER / "exchanges.txt"
    found: list[Dialog] = []
    for number, block in enumerate(re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip()), 1):
        rows = [row for row in block.splitlines() if not row.startswith("#")]
        lines: list[Line] = []
        at = MONDAY + timedelta(hours=10)
        for row in rows:
            if (match := _EXCHANGE.fullmatch(row)) is None:
                raise CorpusError(f"{path.name}: not «WHO [+minutes] text ## labels»: {row}")
            follows = bool(lines) and _WHO[match[1]] == lines[-1].who
            at += timedelta(minutes=int(match[2] or (1 if follows or not lines else 5)))
            line = _line(f"{match[1]} 1 10:00 {match[3]}", path.name)
            lines.append(replace(line, sent_at=at))
        if lines:
            found.append(Dialog(f"exchange-{number:03d}", "exchange", "", "", (), False, False, tuple(lines)))
    return found


def _dialogs(business: str, text: str, name: str) -> Iterator[Dialog]:
    topics: set[str] = set()
    header: re.Match[str] | None = None
    lines: list[Line] = []
    for number, row in enumerate([*text.splitlines(), ""], 1):
        where = f"{name}:{number}"
        if row.startswith("#"):
            if (topic := _TOPIC.fullmatch(row)) is None or header is not None:
                raise CorpusError(f"{where}: a topic is «# topic: name — words», before the dialogs")
            topics.add(topic[1])
        elif row.startswith("@"):
            if header is not None:
                raise CorpusError(f"{where}: no empty line between two dialogs")
            header = _header(row, business, topics, where)
        elif row.strip():
            if header is None:
                raise CorpusError(f"{where}: a line outside a dialog")
            lines.append(_line(row, where))
            if len(lines) > 1 and lines[-1].sent_at < lines[-2].sent_at:
                raise CorpusError(f"{where}: time goes back")
        elif header is not None:
            if not any(line.who == "client" for line in lines):
                raise CorpusError(f"{where}: no client in the dialog before")
            yield Dialog(
                header[1], business, header[2], header[3], tuple(header[4].split(",")), header[5] == "yes", header[6] == "yes", tuple(lines)
            )  # fmt: skip
            header, lines = None, []


def _header(row: str, business: str, topics: set[str], where: str) -> re.Match[str]:
    found = _HEADER.fullmatch(row)
    if found is None or not re.fullmatch(rf"{business}-\d{{3}}", found[1]):
        raise CorpusError(f"{where}: not a header of {business}")
    if found[2] not in STYLES or found[3] not in OUTCOMES or not set(found[4].split(",")) <= topics:
        raise CorpusError(f"{where}: an unknown style, outcome or topic")
    return found


def _line(row: str, where: str) -> Line:
    said, _, labels = row.partition(" ## ")
    found = _LINE.fullmatch(said.rstrip())
    if found is None or int(found[3]) > 23 or int(found[4]) > 59:
        raise CorpusError(f"{where}: not «WHO DAY HH:MM text»")
    who, _, name = found[1].partition(":")
    sent_at = MONDAY + timedelta(days=int(found[2]) - 1, hours=int(found[3]), minutes=int(found[4]))
    # a comma inside a deadline's words is followed by no known label
    words = (
        re.split(r", (?=(?:promise|client_promise|objection)=|(?:rude|complaint|refusal)\b)", labels) if labels else []
    )
    need = reason = ""
    if who == "C":
        need, _, reason = words.pop(0).partition(" ") if words else ("", "", "")
        known = {"R": OPEN_REASONS, "N": CLOSED_REASONS, "S": (*OPEN_REASONS, *CLOSED_REASONS)}.get(need, ())
        if reason not in known:
            raise CorpusError(f"{where}: a client's line needs «R reason», «N reason» or «S reason»")
    names = [word.partition("=")[0] for word in words]
    if not set(names) <= (_CLIENTS_ONLY if who == "C" else _OURS_ONLY if who == "M" else set()):
        raise CorpusError(f"{where}: unknown labels {words}")
    values = dict(word.partition("=")[::2] for word in words)
    objections = tuple(word.partition("=")[2] for word in words if word.startswith("objection="))
    promise = values.get("promise", values.get("client_promise"))
    if not set(objections) <= set(OBJECTIONS) or promise == "":
        raise CorpusError(f"{where}: an unknown objection or an empty promise")
    return Line(
        _WHO[who], name, sent_at, found[5].strip(), need, reason, objections, "complaint" in values, "refusal" in values, "rude" in values, promise,
    )  # fmt: skip
