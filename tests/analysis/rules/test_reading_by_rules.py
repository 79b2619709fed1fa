"""What the rules choose of a dialog: its end, what is to be done first, scores, mood, language. Pairs differ in one line."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.reading.models import Reading
from analysis.rules import reader
from tests.analysis.inputs import FURNITURE
from tests.analysis.rules.test_rules import dialog


def read(text: str) -> Reading:
    return reader.read(dialog(text), "Asia/Almaty", topics=FURNITURE)


def kind(item: Any) -> tuple[str, str, str] | None:
    return (item.kind, item.message_ids[0], item.quote) if item else None


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("К: Оплатил\nМ: Спасибо", ("paid", "m0", "Оплатил")),
        ("К: Деньги ушли?\nМ: Вижу оплату", ("paid", "m1", "Вижу оплату")),
        ("К: Вижу оплату\nМ: Ясно", ("answered", "m1", "Ясно")),
        ("М: Оплатил\nК: Ага", None),
        ("К: Берём\nК: Передумали, не будем брать", ("refused", "m1", "Передумали, не будем брать")),
        ("К: Не будем брать\nК: Хорошо, берём", ("agreed", "m1", "Хорошо, берём")),
        ("К: Если берём два, скидка есть?", ("waiting", "m0", "Если берём два, скидка есть?")),
        ("К: Приеду завтра", ("visit", "m0", "Приеду завтра")),
        ("К: Приеду завтра?", ("waiting", "m0", "Приеду завтра?")),
        ("К: Приеду как-нибудь\nМ: Будем рады\nК: Ок", None),
        ("К: Добрый день\nМ: Есть за 500\nК: Возьмём у соседей", ("refused", "m2", "Возьмём у соседей")),
        ("К: Добрый день\nМ: Есть за 500\nК: Нет, спасибо", ("refused", "m2", "Нет, спасибо")),
        ("К: Запишите на завтра\nМ: Записала", ("visit", "m1", "Записала")),
        ("К: Запишите на завтра\nМ: Записала бы, но мест нет, если только в пятницу\nК: Ок", None),
        ("К: Счёт оплачен\nМ: Поступление подтверждаю", ("paid", "m1", "Поступление подтверждаю")),
        ("М: Ждём вас завтра\nК: Ок", ("visit", "m0", "Ждём вас завтра")),
        ("К: Позвоните мне", ("call", "m0", "Позвоните мне")),
        ("М: Позвоните мне\nК: Ок", None),
        ("К: Подумаем", ("thinking", "m0", "Подумаем")),
        ("К: Позвоните мне\nК: Подумаем", ("waiting", "m0", "Позвоните мне")),
        ("К: Берём\nК: Подумаем", ("agreed", "m0", "Берём")),
        ("К: Подумаем. Сколько стоит?", ("waiting", "m0", "Сколько стоит?")),
        ("К: Берём. Сколько стоит?", ("agreed", "m0", "Берём.")),
        ("К: Привет\nМ: Добрый день. Есть белый.", ("answered", "m1", "Есть белый.")),
        ("К: Привет\nМ: Добрый день. +", ("answered", "m1", "Добрый день.")),
        ("М: Добрый день", None),
        ("К: Привет\nМ: Добрый день\nК: Ок", None),
    ],
)
def test_how_a_dialog_ends(text: str, outcome: tuple[str, str, str] | None) -> None:
    assert kind(read(text).outcome) == outcome


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("К: Всё поцарапано, брак. Позвоните мне. Когда замена?", ("fix", "m0", "Всё поцарапано, брак.")),
        ("К: Позвоните мне. Когда замена?", ("call", "m0", "Позвоните мне.")),
        ("М: Завтра скину расчёт\nК: Когда доставка?", ("answer", "m1", "Когда доставка?")),
        ("К: Приеду завтра\nМ: Завтра скину расчёт", ("send", "m1", "Завтра скину расчёт")),
        ("К: Приеду завтра\nМ: Ок", ("meet", "m0", "Приеду завтра")),
        ("К: Берём\nМ: Ок", ("pay", "m0", "Берём")),
        ("К: Оплачу завтра\nМ: Ок", None),
        ("К: Оплатил\nМ: Ок", None),
    ],
)
def test_what_is_to_be_done_first(text: str, step: tuple[str, str, str] | None) -> None:
    assert kind(read(text).next_step) == step


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ("К: Здравствуйте\nМ: Добрый день", [("Приветствие", 2, "m1")]),
        ("К: Здравствуйте\nМ: Есть белый", [("Приветствие", 0, "m1")]),
        ("К: Есть белый?\nМ: Есть", []),
        ("М: Есть белый\nК: Здравствуйте", []),
        ("К: Нужна кухня\nМ: Какой размер?", [("Выяснение потребности", 2, "m1")]),
        ("К: Какой размер?\nМ: Любой", []),
        ("К: Кухня\nМ: Завтра скину расчёт", [("Следующий шаг", 2, "m1")]),
        ("К: Кухня\nМ: Скину расчёт", []),
        ("К: Завтра оплачу\nМ: Ок", []),
        ("К: Кухня\nМ: Спасибо, ждите", [("Вежливость", 2, "m1")]),
        ("К: Кухня\nМ: Спасибо\nМ: Отстаньте", [("Вежливость", 0, "m2")]),
        ("К: Спасибо\nМ: Ок", []),
    ],
)
def test_scores_are_of_what_a_message_shows(text: str, scores: list[tuple[str, int, str]]) -> None:
    found = read(text).quality
    assert [(one.name, one.score, one.message_ids[0]) for one in found] == scores
    assert {one.author for one in found} <= {"Асель Ахметова"}


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("К: Верните деньги. Очень довольны", "angry"), ("К: Это кошмар, безобразие", "angry"),
        ("М: Привезли\nК: Диван сломался", "annoyed"), ("К: Вы обещали вчера", "annoyed"), ("К: Почему молчите", "annoyed"),
        ("К: Очень довольны", "pleased"), ("М: Все супер\nК: Ок", "calm"), ("К: Ок", "calm"),
    ],
)  # fmt: skip
def test_the_mood(text: str, mood: str) -> None:
    assert read(text).mood == mood


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("К: Здравствуйте\nМ: Сәлеметсіз бе", "ru"),
        ("К: Сәлеметсіз бе\nМ: Здравствуйте", "kk"),
        ("М: Сәлеметсіз бе", "kk"),
        ("М: Здравствуйте", "ru"),
        ("\n".join(["К: рахмет"] * 7 + ["К: да"] * 3), "kk"),
        ("\n".join(["К: рахмет"] * 6 + ["К: да"] * 4), "mixed"),
        ("К: рахмет\nК: да", "mixed"),
    ],
)
def test_the_language(text: str, language: str) -> None:
    assert read(text).language == language


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("М: Какой цвет нужен?\nК: Спасибо\nК: Сколько стоит шкаф?", "Сколько стоит шкаф?"),
        ("К: Цена?\nК: Нужна доставка до Астаны", "Нужна доставка до Астаны"),
        ("К: Как дела у вас", "Как дела у вас"),
        ("К: Добрый вечер всем", None),
    ],
)
def test_the_wish_is_the_first_words_with_a_purpose(text: str, wish: str | None) -> None:
    found = read(text).wish
    assert (found.text if found else None) == wish


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("К: Сколько стоит?\nК: Когда доставка?", "Когда доставка?"),
        ("К: Сколько стоит?\nМ: 90 000", None),
        ("К: Сколько стоит?\nМ: 90 000\nК: А когда доставка?", "А когда доставка?"),
        ("К: Сколько стоит?\nК: Спасибо", "Сколько стоит?"),
        ("К: Сколько стоит?\nБ: Ожидайте", "Сколько стоит?"),
        ("К: ?", None),
    ],
)
def test_the_open_question_is_the_last_one_nobody_answered(text: str, question: str | None) -> None:
    found = read(text).open_question
    assert (found.quote if found else None) == question


def test_items_in_the_order_of_the_dialog_and_how_many_of_a_kind() -> None:
    found = read("К: Когда доставка?\nК: Сколько стоит?\nК: А доставка в Астану?\nК: Дорого\nК: Очень дорого")
    assert [(one.kind, one.message_ids[0]) for one in found.topics] == [("delivery", "m0"), ("price", "m1")]
    assert [(one.kind, one.message_ids[0]) for one in found.objections] == [("price", "m3")]
    risks = read("М: Привезли\nК: Диван сломался\nК: Верните деньги\nК: Шкаф сломался\nК: Стол сломался").risks
    assert [(one.kind, one.message_ids[0]) for one in risks] == [
        ("complaint", "m1"),
        ("refund", "m2"),
        ("complaint", "m3"),
    ]
    # a defect named before we have said a word is what the client comes with
    assert read("К: Диван сломался").risks == ()


def test_the_last_six_promises_are_kept() -> None:
    text = "\n".join(f"М: Завтра скину расчёт {n}" for n in range(8))
    assert [one.message_ids[0] for one in read(text).promises] == [f"m{n}" for n in range(2, 8)]
