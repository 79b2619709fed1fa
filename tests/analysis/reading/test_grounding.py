"""What may be said: quotes, numbers, directions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from analysis.reading.grounding import Fact, fill, find_quote, has_own_numbers, locate, refuse_sentence


@dataclass(frozen=True)
class Said:
    message_id: str
    body: str


MESSAGES = [
    Said("a", "Здравствуйте!  Сколько стоит «Верона» — угловой диван?"),
    Said("b", "До пятницы скину расчёт,\nцена 250\u00a0000 ₸…"),
    Said("c", 'Привезли с цара\u200bпиной ﬁрма "Алма"'),
]


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("Сколько стоит «Верона» — угловой диван?", "a"),
        ('Сколько стоит "Верона" - угловой диван', "a"),
        ("Сколько  стоит „Верона“ – угловой", "a"),
        ("Здравствуйте! Сколько стоит", "a"),
        ("скину расчёт, цена 250 000 ₸...", "b"),
        ("До пятницы скину расчёт", "b"),
        ("с царапиной фирма", None),
        ("с царапиной ﬁрма «Алма»", "c"),
        ("царапиной fiрма", "c"),
        # nothing fuzzier than that
        ("сколько стоит «верона»", None),
        ("Сколько стоит Верона", None),
        ("До пятницы скину расчет", None),
        ("До субботы скину расчёт", None),
        ("Сколько стоит … диван", None),
        ("скину расчёт цена 250 000", None),
        ("тоит «Верона»", None),
        ("угловой див", None),
        ("цена 250", "b"),
        ("цена 25", None),
        ("Здравствуйте! До пятницы", None),
        ("", None),
        ("?", None),
        ("—", None),
        ("   ", None),
    ],
)
def test_a_quote_stands_word_for_word(quote: str, expected: str | None) -> None:
    assert find_quote(quote, MESSAGES) == expected


def test_message_ids_must_be_known_and_hold_the_quote() -> None:
    assert locate("скину расчёт", ["a", "b"], MESSAGES) == ["b", "a"]
    assert locate("скину расчёт", ["a"], MESSAGES) == []
    assert locate("скину расчёт", ["b", "foreign"], MESSAGES) == []
    assert locate("скину расчёт", [], MESSAGES) == []


@pytest.mark.parametrize(
    "text",
    [
        "продано на 1 234,5", "рост 12 %", "полтора часа", "двое клиентов", "три сделки", "выросло вдвое", "половина диалогов",
        "сотня клиентов", "пятеро ждут", "двадцать минут", "ноль продаж", "Ⅳ квартал", "миллион тенге", "тысячи сообщений",
        "дважды писал", "треть клиентов", "на пятнадцать процентов", "полчаса", "в два раза", "шестьдесят минут",
    ],
)  # fmt: skip
def test_numbers_of_its_own_are_seen(text: str) -> None:
    assert has_own_numbers(text)


@pytest.mark.parametrize(
    "text",
    ["клиент спрашивает о цене", "стоит посмотреть", "просит семью подождать", "ждёт ответа",
     "сторона договора", "потребность выяснена", "столик для кухни", "пятница", "спятил с ценой",
     "семья думает", "обещал прислать", "осторожно", "стол дубовый"],
)  # fmt: skip
def test_words_that_only_look_like_numbers_pass(text: str) -> None:
    assert not has_own_numbers(text)


FACTS = {
    "unanswered_now": Fact("unanswered_now", "7 клиентов", "up", False),
    "first_response_p50": Fact("first_response_p50", "6 мин", "down", True),
    "dialogs": Fact("dialogs", "120 диалогов", "same"),
    "money_at_risk": Fact("money_at_risk", "1 млн ₸", "none"),
}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Ждут ответа {unanswered_now}, под риском {money_at_risk}.", None),
        ("Ждущих стало больше: {unanswered_now}.", None),
        ("Отвечают быстрее обычного: {first_response_p50}.", None),
        ("Диалогов {dialogs}, как обычно.", None),
        ("Ждут ответа семь клиентов.", "no placeholder"),
        ("Ждут {unanswered_now}, это 7.", "number"),
        ("Ждут {unanswered_now}, вдвое от нормы.", "number"),
        ("Ждут {unknown}.", "unknown"),
        ("Ждущих стало меньше: {unanswered_now}.", "direction"),
        ("Скорость упала, отвечают медленнее: {first_response_p50}.", "direction"),
        ("Диалогов стало больше: {dialogs}.", "direction"),
        ("Под риском выросло до {money_at_risk}.", "direction"),
        ("Ситуация улучшилась: {unanswered_now}.", "direction"),
        ("Ждут {unanswered_now}: https://evil.example", "markup"),
        ("Ждут {unanswered_now} <b>срочно</b>", "markup"),
        ("Ждут {unanswered_now}!", "form"),
        ("{unanswered_now} are waiting for an answer.", "language"),
        ("Увольте менеджера, ждут {unanswered_now}.", "instruction"),
        ("Переведите оплату, ждут {unanswered_now}.", "instruction"),
        ("Ждут {unanswered_now} {", "markup"),
    ],
)
def test_generated_sentences(text: str, why: str | None) -> None:
    refused = refuse_sentence(text, FACTS)
    assert (refused is None) if why is None else (refused or "").startswith(why)


def test_placeholders_are_filled_by_code() -> None:
    assert (
        fill("Ждут {unanswered_now}, отвечают за {first_response_p50}.", FACTS) == "Ждут 7 клиентов, отвечают за 6 мин."
    )
