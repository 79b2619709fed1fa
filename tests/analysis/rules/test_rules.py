"""The reader without a key: what it finds in dialogs whose facts are known, and that it can prove each find."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from analysis.reading.grounding import find_quote
from analysis.reading.models import Reading
from analysis.reading.normalisation import folded
from analysis.rules import deadlines, reader
from synkro.reporting.dialogs import Message
from synkro.tenancy.topics import OTHER
from tests.analysis.inputs import FURNITURE
from tests.analysis.rules.dialogs_by_hand import CASES

START = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)
_KINDS = {"К": "client", "М": "manager", "Б": "bot"}
#: outcomes somebody decided; «ответили» and «ждёт» follow from the order of messages
_DECIDED = ("paid", "agreed", "visit", "call", "refused")


def dialog(text: str) -> list[Message]:
    return [
        Message(
            f"m{i}", "d1", _KINDS[line[0]], "inbound", START + timedelta(minutes=10 * i), line[2:].strip(), False,
            "7" if line[0] == "М" else None, "Асель Ахметова" if line[0] == "М" else None, "event", True,
        )
        for i, line in enumerate(text.split("\n"))
    ]  # fmt: skip


def facts(reading: Reading) -> set[str]:
    # a question without a topic is no fact that was planted
    found = {f"T:{t.kind}" for t in reading.topics if t.kind != OTHER} | {f"O:{o.kind}" for o in reading.objections}
    found |= {f"R:{r.kind}" for r in reading.risks}
    found |= {f"P:{p.who}:{p.deadline or '-'}" for p in reading.promises}
    if reading.outcome and reading.outcome.kind in _DECIDED:
        found.add(f"OUT:{reading.outcome.kind}")
    return found | ({"Q"} if reading.open_question else set())


def test_planted_facts_are_found_and_little_else() -> None:
    hit = missed = extra = 0
    for text, planted in CASES:
        found, wanted = facts(reader.read(dialog(text), "Asia/Almaty", topics=FURNITURE)), set(planted.split())
        hit, missed, extra = hit + len(found & wanted), missed + len(wanted - found), extra + len(found - wanted)
        if found != wanted:
            print(f"{text!r}\n   missed {sorted(wanted - found)}, extra {sorted(found - wanted)}")
    recall, precision = hit / (hit + missed), hit / (hit + extra)
    print(f"{len(CASES)} dialogs, {hit + missed} facts: recall {recall:.2f}, precision {precision:.2f}")
    assert len(CASES) >= 40 and hit + missed >= 50
    assert recall >= 0.85
    assert precision >= 0.85


@pytest.mark.parametrize("text", [text for text, _ in CASES])
def test_every_find_is_a_quote_of_the_message_it_names(text: str) -> None:
    messages = dialog(text)
    reading = reader.read(messages, "Asia/Almaty", topics=FURNITURE)
    items = [*reading.topics, *reading.objections, *reading.risks, *reading.promises, *reading.quality]
    items += [x for x in (reading.wish, reading.outcome, reading.next_step, reading.open_question) if x]
    for item in items:
        named = [m for m in messages if m.message_id == item.message_ids[0]]
        assert find_quote(item.quote, named) == item.message_ids[0]


def test_a_reading_survives_json() -> None:
    for text, _ in CASES:
        reading = reader.read(dialog(text), "Asia/Almaty", topics=FURNITURE)
        assert Reading.from_json(reading.to_json()) == reading


def test_a_promise_that_was_kept_is_not_open() -> None:
    reading = reader.read(dialog("М: Завтра скину расчёт\nК: Жду\nМ: Как обещала, расчёт: 300 000"), "Asia/Almaty")
    assert [p.kept for p in reading.promises] == [True]


def test_the_author_of_a_rude_answer_is_who_wrote_it() -> None:
    reading = reader.read(dialog("К: Когда?\nМ: Мне некогда"), "Asia/Almaty")
    assert [r.author for r in reading.risks] == ["Асель Ахметова"]


def test_a_long_message_is_quoted_in_part_and_word_for_word() -> None:
    text = "К: " + "слово " * 200 + "верните деньги немедленно " + "слово " * 200
    messages = dialog(text)
    reading = reader.read(messages, "Asia/Almaty")
    (risk,) = reading.risks
    assert "верните деньги" in risk.quote and len(risk.quote) <= 200
    assert find_quote(risk.quote, messages) == "m0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("до пятницы", "2026-11-20"),
        ("в среду", "2026-11-25"),
        ("завтра до обеда", "2026-11-19"),
        ("послезавтра", "2026-11-20"),
        ("сегодня до вечера", "2026-11-18"),
        ("до конца дня", "2026-11-18"),
        ("через 3 дня", "2026-11-21"),
        ("через пару дней", "2026-11-20"),
        ("через неделю", "2026-11-25"),
        ("в течение двух рабочих дней", "2026-11-20"),
        ("до 25 ноября", "2026-11-25"),
        ("к 1 числу", "2026-12-01"),
        ("до 05.01", "2027-01-05"),
        ("на следующей неделе", "2026-11-27"),
        ("до конца недели", "2026-11-20"),
        ("до конца месяца", "2026-11-30"),
        ("через час", "2026-11-18"),
        ("до 18:00", "2026-11-18"),
        ("к 9 утра", "2026-11-19"),
        ("в течение 1–2 рабочих дней", "2026-11-20"),
        ("4 рабочих дня", "2026-11-24"),
        ("дней через пять", "2026-11-23"),
        ("часа через два", "2026-11-18"),
        ("через полтора часа", "2026-11-18"),
        ("до 5 вечера", "2026-11-18"),
        ("екі күннен кейін", "2026-11-20"),
        ("3 күн ішінде", "2026-11-21"),
        ("бір сағаттан кейін", "2026-11-18"),
        ("за день до визита", None),
        ("жұмаға дейін", "2026-11-20"),
        ("ертең", "2026-11-19"),
        ("на днях", None),
        ("скоро", None),
        ("до 50 000 тенге", None),
        ("до 31 февраля", None),
    ],
)
def test_deadlines(text: str, expected: str | None) -> None:
    from zoneinfo import ZoneInfo

    found = deadlines.find(folded(text), START.astimezone(ZoneInfo("Asia/Almaty")))
    assert (found[0] if found else None) == (date.fromisoformat(expected) if expected else None)


def test_a_day_belongs_to_the_tenants_zone() -> None:
    """19:30 UTC is already the next day in Almaty."""
    from dataclasses import replace

    late = [
        replace(m, sent_at=datetime(2026, 11, 18, 19, 30, tzinfo=UTC)) for m in dialog("М: Завтра отправлю договор")
    ]
    assert reader.read(late, "Asia/Almaty").promises[0].deadline == date(2026, 11, 20)
    assert reader.read(late, "UTC").promises[0].deadline == date(2026, 11, 19)
