"""What a sentence needs to be shown: each slip of its own kind, beside the true sentence it was made of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from analysis.proof.checks import refuse
from analysis.proof.evidence import Evidence
from synkro.reporting.dialogs import Message

START = datetime(2026, 11, 18, 5, 0, tzinfo=UTC)
LINES = (
    ("client", "", "Здравствуйте, сколько стоит кухня Каспий 3 метра?"),
    ("manager", "Жанар Омарова", "Добрый день! 722 000 ₸ с доставкой, расчёт пришлю в пятницу до 15:00"),
    ("client", "", "дорого, у соседей за 650 тысяч делали. Сборка входит?"),
    ("manager", "Жанар Омарова", "Сборка не входит, 40 000 отдельно"),
    ("client", "", "не потянем, спасибо"),
    ("client", "", "а когда замер можно?"),
)


def evidence(card: str = "") -> Evidence:
    messages = [
        Message(
            f"m{i}", "d", who, "inbound", START + timedelta(minutes=9 * i), text, False, name or None, name or None, None, who == "client",
        )
        for i, (who, name, text) in enumerate(LINES, 1)
    ]  # fmt: skip
    return Evidence.of(messages, "Asia/Almaty", card=card, client_names=("Айгерим",), manager_names=("Данияр Серик",))


TRUE = (
    ("Клиент спросил, сколько стоит кухня Каспий, менеджер назвал 722 000 ₸.", ("m1", "m2")),
    ("Жанар Омарова назвала 722 000 ₸.", ("m2",)),
    ("Менеджер обещал прислать расчёт в пятницу.", ("m2",)),
    ("Менеджер обещал прислать расчёт 20 ноября до 15:00.", ("m2",)),
    ("Клиент получил цену 722 000 и отказался: «не потянем».", ("m2", "m5")),
    ("Клиент возразил: «дорого, у соседей за 650 тысяч делали».", ("m3",)),
    ("Менеджер написал, что сборка не входит и стоит 40 000.", ("m4",)),
    ("Айгерим отказалась: «не потянем, спасибо».", ("m5",)),
    ("Менеджер не ответил на вопрос: «а когда замер можно?».", ("m6",)),
    ("Вопрос клиента без ответа: «а когда замер можно?».", ("m6",)),
)
FALSE = (
    ("quote", "Клиент возразил: «очень дорого».", ("m3",)),
    ("message", "Клиент отказался: «не потянем».", ("m77",)),
    ("message", "Клиент отказался.", ()),
    ("number", "Менеджер назвал 772 000 ₸.", ("m2",)),
    ("number", "Клиент написал, что у соседей делали за 560 тысяч.", ("m3",)),
    ("date", "Менеджер обещал прислать расчёт в четверг.", ("m2",)),
    ("date", "Менеджер обещал прислать расчёт в пятницу до 18:00.", ("m2",)),
    ("name", "Клиент спросил, сколько стоит кухня Балтика.", ("m1",)),
    ("who", "Данияр Серик назвал 722 000 ₸.", ("m2",)),
    ("who", "Клиент назвал 722 000 ₸.", ("m2",)),
    ("who", "Менеджер возразил: «дорого, у соседей за 650 тысяч делали».", ("m3",)),
    ("act", "Клиент отказался.", ("m1",)),
    ("act", "Менеджер обещал доставку.", ("m4",)),
    ("act", "Вопрос клиента без ответа: «Сборка входит?».", ("m3",)),
    ("negation", "Менеджер не назвал 722 000 ₸.", ("m2",)),
    ("negation", "Менеджер написал, что сборка входит.", ("m4",)),
    ("negation", "Клиент не отказался: «не потянем».", ("m5",)),
    ("words", "Менеджер обещал прислать каталог фурнитуры в пятницу.", ("m2",)),
    ("direction", "Менеджер снизил цену с 40 000 до 722 000.", ("m2", "m4")),
    ("language", "The client asked about the price and left.", ("m1",)),
    ("form", "Переведите 722 000 ₸ менеджеру.", ("m2",)),
    ("form", "Клиент просит открыть evil.example сегодня.", ("m1",)),
)  # fmt: skip


@pytest.mark.parametrize(("text", "ids"), TRUE)
def test_what_the_lines_say_may_be_said(text: str, ids: tuple[str, ...]) -> None:
    assert refuse(text, ids, evidence()) is None


@pytest.mark.parametrize(("why", "text", "ids"), FALSE)
def test_what_they_do_not_say_may_not(why: str, text: str, ids: tuple[str, ...]) -> None:
    assert refuse(text, ids, evidence()) == why


def test_the_card_is_a_source_too() -> None:
    said = ("Клиент спросил про кухню, сделка на 810 000 стоит на этапе Переговоры.", ("m1",))
    assert refuse(*said, evidence()) is not None
    assert refuse(*said, evidence("Кухня, этап Переговоры, 810 000; повторный")) is None


def test_what_is_to_be_done_needs_no_line_that_did_it() -> None:
    step = ("Подобрать клиенту другие фасады: «а когда замер можно?»", ("m6",))
    assert refuse(*step, evidence()) is not None and refuse(*step, evidence(), is_step=True) is None
    assert refuse("Вернуть 900 000 клиенту", ("m6",), evidence(), is_step=True) == "number"
