"""Constructions over dictionary forms: what a sentence says in any gender, case and person, and what only looks like it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from analysis.intents.linear import CLAIMS, Bounds, Linear, Model
from analysis.reading import morphology
from analysis.reading.grounding import find_quote
from analysis.reading.morphology import tagged
from analysis.reading.normalisation import folded
from analysis.rules import reader
from tests.analysis.rules.test_rules import dialog


def risks(text: str) -> set[str]:
    return {item.kind for item in reader.read(dialog(text), "Asia/Almaty").risks}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Обивка порвалась через 3 дня", "обивка порваться:past через # день"),
        ("Пришлём вам договор", "прислать:will1 вы договор"),
        ("Поцарапана столешница, дешевле", "поцарапать:done столешница , дешевый:more"),
        ("Сфоткаю и скину", "сфоткать:will1 и скинуть:will1"),
        ("Сто двадцать тысяч", "# тысяча"),
        ("Бағасы қанша", "бағасы қанша"),
        ("", ""),
    ],
)
def test_a_sentence_by_dictionary_forms(text: str, line: str) -> None:
    found = tagged(folded(text))
    assert found.line.split() == line.split()
    assert len(found.at) == len(found.line), "each place of the line has a place in the text"


def test_a_find_deep_in_a_long_sentence_is_quoted_where_it_stands() -> None:
    text = "М: Здравствуйте\nК: " + "вот " * 120 + "обивка порвалась за неделю " + "вот " * 20
    (item,) = reader.read(dialog(text), "UTC").risks
    assert "порвалась" in item.quote and len(item.quote) <= 200 and find_quote(item.quote, dialog(text))


@pytest.mark.parametrize(
    "verb", ["треснул", "треснула", "треснуло", "треснули", "лопнул", "шатается", "не открывается", "разбит"]
)
def test_a_defect_is_seen_in_every_form(verb: str) -> None:
    assert risks(f"К: Вы привезли шкаф. Шкаф {verb}\nМ: Поняла") == {"complaint"}
    assert risks(f"К: Как дела с заказом\nМ: Отгрузили\nК: Шкаф {verb}") == {"complaint"}


@pytest.mark.parametrize(
    "text",
    [
        "К: Шкаф треснул\nМ: Поняла", "М: Что случилось?\nК: Дверь не открывается", "К: Добрый день\nМ: Слушаю\nК: у меня экран треснул",
        "К: Муж уронил ноутбук, экран разбит\nМ: Привозите",
    ],
)  # fmt: skip
def test_what_the_client_comes_with_is_no_complaint(text: str) -> None:
    assert risks(text) == set()


def test_a_window_of_a_longer_chat_does_not_begin_it() -> None:
    """We wrote before the window: what broke since is no errand of a newcomer, also where nobody has answered yet."""
    for text in ("К: Диван сломался", "К: Шкаф треснул\nБ: Мы скоро ответим"):
        assert {item.kind for item in reader.read(dialog(text), "UTC", is_known=True).risks} == {"complaint"}
        assert risks(text) == set()
    assert reader.is_ours(dialog("К: Берём\nМ: Привезём завтра")) and not reader.is_ours(
        dialog("К: Берём\nБ: Ожидайте")
    )


@pytest.mark.parametrize(
    "text",
    [
        "К: Вы мне вчера колёса меняли, опять стучит", "К: Добрый день\nМ: Слушаю\nК: так и не перезвонили", "К: это после вашей чистки появилось",
        "М: Готово\nК: мастер кричит на меня",
    ],
)  # fmt: skip
def test_what_ties_it_to_us_makes_it_one(text: str) -> None:
    assert risks(text) & {"complaint", "broken_promise", "ignored"}


@pytest.mark.parametrize(
    "text",
    [
        "А если треснет, замените?", "Старый шкаф треснул, ищем новый", "Чтобы не треснула", "Всё без трещин, спасибо",
        "В другом магазине всё время ломается", "Не сломается?",
    ],
)  # fmt: skip
def test_a_fear_and_somebody_elses_things_are_no_complaint(text: str) -> None:
    assert "complaint" not in risks(f"К: {text}\nМ: Поняла")


def test_a_sentence_is_one_thing() -> None:
    """«Цифры не сходятся» is about the price, «верните деньги» about the money: neither is a second complaint."""
    assert risks("К: Сумма в счёте не сходится с той, что вы называли\nМ: Проверю") == {"wrong_price"}
    assert risks("К: Вы обещали 150 000, почему теперь 180 000\nМ: Проверю") == {"wrong_price"}
    assert risks("К: Верните деньги\nМ: Хорошо") == {"refund"}
    reading = reader.read(dialog("К: Почему теперь дороже, чем вчера\nМ: Проверю"), "UTC")
    assert [r.kind for r in reading.risks] == ["wrong_price"] and reading.objections == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("М: Диван «Осло» стоит 280 000 тенге\nК: Поняла\nМ: Здравствуйте, диван «Осло» 320 000 ₸", ("m2", "m0")),
        ("М: Шкаф 150 тысяч\nК: Спасибо\nМ: Шкаф выходит 165 тыс", ("m2", "m0")),
        ("К: На сайте стол 150 000 тг\nМ: Стол 180 000 тенге", ("m1", "m0")),
        ("М: Полка 9000 тг\nК: Спасибо\nМ: Полка 9500 тг", ("m2", "m0")),
        ("М: Полка 9000₸\nК: Спасибо\nМ: Полка 9500 руб", ("m2", "m0")),
        ("М: Полка 10 тыс\nК: Спасибо\nМ: Полка 11 тыс", ("m2", "m0")),
        ("М: Полка 10000\nК: Спасибо\nМ: Полка 11000", ("m2", "m0")),
        ("М: Полка 9000\nК: Спасибо\nМ: Полка 9500", None),
        ("М: Полка 9 999\nК: Спасибо\nМ: Полка 9 500", None),
        ("М: Полка 2024, 90 000 тг\nК: Спасибо\nМ: Полка 2025, 95 000 тг", ("m2", "m0")),
        ("М: Полка 90 000 тг, 80 000 тг\nК: Спасибо\nМ: Полка 95 000 тг", None),
        ("М: Диван «Осло» 280 000 тенге\nМ: Диван «Прага» 320 000 тенге", None),
        ("М: Угловой диван 280 000\nМ: Прямой диван 320 000", None),
        ("М: Диван 280 000 тенге\nК: А другая ткань?\nМ: Диван 320 000 ₸", None),
        ("М: Диван 280 000\nК: А три метра?\nМ: Диван 330 000", None),
        ("М: Диван 280 000 тенге\nМ: Диван со скидкой 250 000", None),
        ("М: Диван 280 000 тенге\nМ: Диван от 320 000 тенге", None),
        ("М: Диван 280 000\nК: Берём\nМ: Предоплата за диван 140 000", None),
        ("М: Диван 280 000\nМ: Диван 280000 тг", None),
        ("К: На сайте стол 150 000 тг\nМ: Стол со сборкой 180 000 тенге", None),
        ("К: На сайте стол 150 000 тг\nМ: Да, стол 150 тысяч", None),
        ("К: У соседа стол 150 000 тг\nМ: Стол 180 000 тенге", None),
    ],
)
def test_two_prices_of_one_thing(text: str, expected: tuple[str, str] | None) -> None:
    found = [r for r in reader.read(dialog(text), "Asia/Almaty").risks if r.kind == "wrong_price"]
    assert (found[0].message_ids if found else None) == expected
    assert all(find_quote(r.quote, dialog(text)) == r.message_ids[0] for r in found)


@pytest.mark.parametrize(
    ("text", "is_promise"),
    [
        ("Завтра проконсультируюсь с цехом", True), ("Смонтируем в пятницу", True), ("Водитель заедет сегодня", True),
        ("Смонтируем завтра после оплаты", False), ("Увидимся завтра", False), ("Когда вернётесь, завтра?", False),
        ("Если решитесь, завтра забронирую", False), ("Вчера забронировала", False),
        # no deadline, somebody else of ours, a passive, a delivery without a verb, Kazakh
        ("Гляну и отпишу", True), ("Передам мастеру", True), ("Вам перезвонит администратор", True), ("Акт будет направлен до четверга", True),
        ("Машина во вторник", True), ("Кешке айтам", True), ("Шебер ертең келеді", True), ("Сделаем в любом цвете", False), ("Записала вас", False),
        ("Пусть он завтра наберёт", False), ("Кешке жазып жіберіңіз", False), ("Приеду, посмотрю. Вам удобно?", False),
    ],
)  # fmt: skip
def test_ones_own_future_with_a_deadline_is_a_promise(text: str, is_promise: bool) -> None:
    found = reader.read(dialog(f"М: {text}\nК: Хорошо\nМ: До связи"), "Asia/Almaty").promises
    assert bool(found) is is_promise


def test_a_mere_time_is_a_promise_where_the_client_asked_for_one() -> None:
    asked = reader.read(dialog("К: когда приедут?\nМ: Завтра с 9 до 12"), "Asia/Almaty").promises
    offered = reader.read(dialog("К: есть окно на завтра\nМ: Завтра с 9 до 12"), "Asia/Almaty").promises
    assert (len(asked), len(offered)) == (1, 0)


def test_words_no_dictionary_knows_are_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing takes a millisecond a word: a message of nonsense would take a minute. Verbs made up yesterday are guessed."""
    honest, asked = morphology._analyzer(), []

    class Counting:
        word_is_known = staticmethod(honest.word_is_known)

        @staticmethod
        def parse(word: str) -> Any:
            asked.append(word)
            return honest.parse(word)

    monkeypatch.setattr(morphology, "_analyzer", Counting)
    assert tagged("щжцыкфф пщшцъ забронькаю фывапр").line.split() == ["щжцыкфф", "пщшцъ", "забронькать:pres1", "фывапр"]
    assert asked == ["забронькаю"]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("М: Итого 480 000\nК: ого", {"price"}), ("М: Итого 480 000 тг\nК: ой", {"price"}), ("М: Приедем в 14:00\nК: ого", set()),
        ("М: Итого 480 000\nК: ого какой красивый", set()), ("М: Итого 480 000\nМ: Когда удобно?\nК: ого", set()),
        ("М: Срок две недели\nК: Чем дальше тянем, тем хуже, давайте", set()), ("М: Мы за мостом\nК: далеко от меня, через весь город ехать", {"no_option"}),
    ],
)  # fmt: skip
def test_an_objection_by_what_was_said_before(text: str, kinds: set[str]) -> None:
    assert {item.kind for item in reader.read(dialog(text), "Asia/Almaty").objections} == kinds


@pytest.mark.parametrize(
    ("text", "is_refused"),
    [
        ("М: Ну как, решили?\nК: передумали, не будем заказывать", True), ("М: Виноваты, вернём\nК: передумала писать жалобу", False),
        ("М: Что случилось?\nК: они ещё и деньги вернуть отказались", False), ("М: Записать вас?\nК: нет, спасибо", True),
    ],
)  # fmt: skip
def test_a_refusal_is_the_clients_own_no(text: str, is_refused: bool) -> None:
    outcome = reader.read(dialog(text), "Asia/Almaty").outcome
    assert (outcome is not None and outcome.kind == "refused") is is_refused


def test_a_complaint_without_a_word_of_the_rules_is_found_and_a_defect_of_ones_own_is_not() -> None:
    late = "К: Добрый день\nМ: Курьер будет через час\nК: сижу без света, третий час у окна, вы там живые вообще"
    model = Model(Linear({}), {}, {"bias": [0.0, 5.0, 0.0]}, {name: Bounds(-9.0, 0.0, 4.0) for name in CLAIMS})
    deaf = replace(model, claims={"bias": [0.0, -20.0, 0.0]})
    told = {item.kind for item in reader.read(dialog(late), "Asia/Almaty", model=model).risks}
    assert "complaint" in told
    broken = dialog("К: Вы привезли шкаф. Шкаф треснул\nМ: Поняла")
    assert {item.kind for item in reader.read(broken, "Asia/Almaty").risks} == {"complaint"}
    assert reader.read(broken, "Asia/Almaty", model=deaf).risks == (), "so unlike a complaint that the rule slipped"
    demand = dialog("К: Шкаф треснул, готовлю претензию\nМ: Поняла")
    assert reader.read(demand, "Asia/Almaty", model=deaf).risks, "a demand is weighed by nothing"
