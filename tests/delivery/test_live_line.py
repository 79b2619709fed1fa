"""«Сейчас ждут 30 (на 22:01 ждали 36), …»: one line, in the words of a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from delivery.live_line import text_of
from delivery.message import short_message, telegram_message
from synkro.metrics.live import Live
from synkro.reporting.body import Body
from tests.delivery.bodies import ordinary

SENT = datetime(2026, 3, 3, 3, 30, tzinfo=UTC)
ENDED = datetime(2026, 3, 2, 17, 1, tzinfo=UTC)


def line(unanswered: int, overdue: int = 0, money: int = 0, **changes: Any) -> str:
    values = {"sent_at": SENT, "at_end": 36, "ended_at": ENDED, "timezone": "Asia/Almaty", "currency": "KZT"}
    as_of = changes.pop("as_of", SENT - timedelta(minutes=1))
    return text_of(Live(as_of, unanswered, overdue, money), **(values | changes)).replace("\xa0", " ")


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (line(30, 28, 4_200_000), "Сейчас ждут 30 (на 22:01 ждали 36), дольше цели 28, под риском 4 200 000 ₸."),
        (line(36, 36), "Сейчас ждут 36, все дольше цели."),
        (line(1, 1, 500), "Сейчас ждёт 1 (на 22:01 ждали 36), дольше цели 1, под риском 500 ₸."),
        (line(0), "Сейчас никто не ждёт ответа (на 22:01 ждали 36)."),
        (line(0, at_end=0), "Сейчас никто не ждёт ответа."),
        (line(2, at_end=None), "Сейчас ждут 2."),
        # the vendor was down: the moment the data is of
        (
            line(36, 30, problem="Radist перед отправкой не ответил.", as_of=ENDED + timedelta(minutes=9)),
            "По данным на 22:10 ждут 36 (Radist перед отправкой не ответил), дольше цели 30.",
        ),
        # old data is never «now», whatever the cause
        (line(30, as_of=SENT - timedelta(hours=2)), "По данным на 06:30 ждут 30 (на 22:01 ждали 36)."),
        # an evening further back has its date
        (line(5, ended_at=ENDED - timedelta(days=2)), "Сейчас ждут 5 (на 28 февраля, 22:01 ждали 36)."),
    ],
)
def test_the_line(told: str, expected: str) -> None:
    assert told == expected


def test_the_message_says_who_waits_once() -> None:
    body = Body.read(ordinary())
    waits = body.headline[0].model_copy(update={"text": "На конец дня ответа ждали 36 клиентов.", "about": "waits"})
    body = body.model_copy(update={"headline": [waits, *body.headline[1:2]]})
    plain = telegram_message(body, report_url="", live_line=line(30)).plain_text
    assert "Сейчас ждут 30" in plain and "На конец дня ответа ждали" not in plain
    assert "На конец дня ответа ждали 36" in telegram_message(body, report_url="").plain_text
    assert len(plain) <= 1600


def test_the_short_message_holds_the_day_and_nothing_to_do() -> None:
    body = Body.read(ordinary())
    text = short_message(body, report_url="https://app.synkro.example/t/a/reports/1").plain_text
    assert body.numbers[0].label in text and "Двенадцать клиентов ждут ответа дольше часа" in text.replace("\xa0", " ")
    assert "Сделать сегодня" not in text and "Прислать расчёт" not in text and len(text) < 900
