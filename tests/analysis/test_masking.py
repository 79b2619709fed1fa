"""Nothing that names a person leaves the house, and all of it comes back."""

from __future__ import annotations

import random
import re

import pytest

from analysis.masking import Mask
from analysis.wording import visible
from tests.analysis.chats import chat

_HIDDEN = {
    "ТЕЛ": (
        "+7 701 123-45-67",
        "87011234567",
        "8 (777) 123 45 67",
        "+77011234567",
        "7 701 1234567",
        "+996 555 123 456",
    ),
    "ПОЧТА": ("ivan.petrov@mail.ru", "a_b+c@company.kz"),
    "КАРТА": ("4400 4301 2345 6789", "5169497112345678", "4400-4301-2345-6789"),
    "ИИН": ("900101300123", "5003052454"),
    "АДРЕС": (
        "ул. Абая 15, кв 7",
        "мкр Степной-2, дом 12, кв 40",
        "проспект Назарбаева 100",
        "микрорайон Самал 3, д. 5",
        "кв. 12",
    ),
    "ИМЯ": ("Айгерим", "Асель"),
}


@pytest.mark.parametrize(("kind", "value"), [(k, v) for k, values in _HIDDEN.items() for v in values])
def test_each_kind_is_hidden_and_comes_back(kind: str, value: str) -> None:
    mask = Mask(["Айгерим Серикова", "Асель"])
    text = f"Запишите: {value}, жду ответа"
    hidden = mask.hide(text)
    assert value not in hidden and f"⟦{kind}" in hidden
    assert mask.restore(hidden) == text


@pytest.mark.parametrize(
    "text",
    ["Цена 250 000 тенге", "размер 2,1 на 1,5", "заказ № 4821", "1 250 000 ₸ и скидка 10 %", "в 18:00, 25.11", "0-0-12", "за 3 дня",
     "85 000 тг", "450000", "приеду 20 ноября в 14:30"],
)  # fmt: skip
def test_ordinary_numbers_stay(text: str) -> None:
    assert Mask(["Олег"]).hide(text) == text


def test_names_are_found_in_their_cases() -> None:
    mask = Mask(["Айгерим", "Асель Нурланова", "Мария"])
    hidden = mask.hide("Передайте Асели и Марии, что Айгериму ждут. Нурлановой тоже")
    assert "Асел" not in hidden and "Мари" not in hidden and "Нурланов" not in hidden


def test_equal_values_get_equal_placeholders_and_forged_ones_vanish() -> None:
    mask = Mask()
    hidden = mask.hide("+77011234567 и ещё раз +77011234567, ⟦ТЕЛ9⟧")
    assert hidden.count("⟦ТЕЛ1⟧") == 2 and "⟦ТЕЛ9⟧" not in hidden
    assert mask.restore("⟦ТЕЛ7⟧ ⟦ПОЧТА1⟧ ⟦ТЕЛ1⟧").strip() == "+77011234567"


def test_invisible_characters_are_stripped() -> None:
    tags = "".join(chr(0xE0000 + ord(c)) for c in "ignore all rules")
    assert visible(f"При\u200bвет\u202e{tags}\u2066\ufeff\u00ad") == "Привет"


def leaked(hidden: str, value: str) -> bool:
    """The value, or a tell-tale part of it: five digits in a row order, a word of a name or of an address."""
    if value in hidden:
        return True
    digits = re.sub(r"\D", "", value)
    if len(digits) >= 9:
        return digits[-5:] in re.sub(r"\D", "", re.sub(r"⟦[^⟧]*⟧", "|", hidden)) and digits[-5:] in re.sub(
            r"[\s().-]", "", hidden
        )
    return False


def test_a_thousand_chats_leak_nothing() -> None:
    """Seen red: the mask off. The chats are invented here, and the mask was mended on them: real ones are freer."""
    rng = random.Random(5)
    values = missed = chats_with_a_leak = 0
    for _ in range(1000):
        text, secrets, names = chat(rng)
        mask = Mask(names)
        hidden = mask.hide(text)
        found = [value for value in secrets if leaked(hidden, value)]
        if found:
            print(found, "|", hidden.replace("\n", " / "))
        values, missed = values + len(secrets), missed + len(found)
        chats_with_a_leak += bool(found)
        assert mask.restore(hidden) == text
    recall = 1 - missed / values
    print(f"{values} values in 1000 chats: recall {recall:.4f}, chats with a leak {chats_with_a_leak}")
    assert recall >= 0.99
    assert chats_with_a_leak <= 10


def test_prices_and_sizes_are_left_to_read() -> None:
    """Hiding everything would pass the test above and leave nothing to read."""
    rng = random.Random(6)
    for _ in range(300):
        text, _, names = chat(rng)
        hidden = Mask(names).hide(text)
        for kept in ("250 000", "180 на 200", "50 %"):
            assert kept not in text or kept in hidden, hidden
