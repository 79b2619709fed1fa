"""Phones as people and vendors write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synkro.core.phones import extract, mask, normalise, person

ONE, TWO = "+77771234567", "+77017654321"

CASES: list[tuple[object, list[str]]] = [
    # one number, however it is written
    ("+7 777 123 45 67", [ONE]),
    ("8 (777) 123-45-67", [ONE]),
    ("8-777-123-45-67", [ONE]),
    ("тел.: 8.777.123.45.67 (мама)", [ONE]),
    ("77771234567", [ONE]),
    ("7771234567", [ONE]),
    (77771234567, [ONE]),
    (77771234567.0, [ONE]),
    ("77771234567.0", [ONE]),
    ("+8 777 123 45 67", [ONE]),
    ("007 777 123 45 67", [ONE]),
    ("８７７７１２３４５６７", [ONE]),
    ("٨٧٧٧١٢٣٤٥٦٧", [ONE]),
    ("\u202a+7\u00a0777\u00a0123‑45‑67\u202c", [ONE]),
    ("tel:+7-777-123-45-67;ext=5", [ONE]),
    ("https://wa.me/77771234567?text=1", [ONE]),
    ("79001234567", ["+79001234567"]),
    ("9161234567", ["+79161234567"]),
    ("8 495 123 45 67", ["+74951234567"]),
    ("4951234567", ["+74951234567"]),
    ("(727) 250-00-01", ["+77272500001"]),
    # numbers nobody owns are what demonstrations use
    ("+7 700 000 00 01", ["+77000000001"]),
    ("87000000001", ["+77000000001"]),
    # other countries
    ("+998 90 123 45 67", ["+998901234567"]),
    ("998901234567", ["+998901234567"]),
    ("+996 (555) 12-34-56", ["+996555123456"]),
    ("4915112345678", ["+4915112345678"]),
    ("0049 151 12345678", ["+4915112345678"]),
    ("+81 3 1234 5678", ["+81312345678"]),
    ("+39 06 1234 5678", ["+390612345678"]),
    # extensions
    ("+7 777 123 45 67 доб. 12", [ONE]),
    ("+7 777 123 45 67 вн.123", [ONE]),
    ("+77771234567 ext 5", [ONE]),
    ("+77771234567x12", [ONE]),
    ("+77771234567#5", [ONE]),
    # several
    ("8 777 123 45 67, 8 701 765 43 21", [ONE, TWO]),
    ("87771234567/87017654321", [ONE, TWO]),
    ("87771234567 87017654321", [ONE, TWO]),
    ("8 777 123 45 67 8 701 765 43 21", [ONE, TWO]),
    ("777 123 45 67 701 765 43 21", [ONE, TWO]),
    ("+77771234567+77017654321", [ONE, TWO]),
    ("+7 777 123 45 67 8 701 765 43 21", [ONE, TWO]),
    ("8-777-123-45-67 или 8(701)7654321\nАйгуль", [ONE, TWO]),
    ("996 555 12 34 56 996 555 12 34 57", ["+996555123456", "+996555123457"]),
    ("87771234567; +7 777 123 45 67", [ONE]),
    ("8 777 123 45 67/68", [ONE]),
    ("8 8 777 123 45 67", [ONE]),
    ("2 8 777 123 45 67", [ONE]),
    # WhatsApp
    ("77771234567@c.us", [ONE]),
    ("77771234567@s.whatsapp.net", [ONE]),
    ("77771234567:12@s.whatsapp.net", [ONE]),
    ("77771234567@c.us, 77017654321@c.us", [ONE, TWO]),
    ("120363041234567890@g.us", []),
    ("77771234567-1600000000@g.us", []),
    ("123456789012345@lid", []),
    ("77771234567@lid", []),
    ("status@broadcast", []),
    # not phones
    ("123456789012345", []),
    ("12345678901234", []),
    ("777712345678901", []),
    # ids that would be valid German and Austrian numbers
    ("49991743450909", []),
    ("493714843567918", []),
    ("@user77771234567", []),
    ("ivan77771234567@mail.ru", []),
    ("5123456789", []),
    ("1772441600", []),
    ("1772441600000", []),
    ("2026-03-09 10:45", []),
    ("31.12.2026 10:45", []),
    ("1234567", []),
    ("+7 555 111 22 33", []),
    ("+7", []),
    ("нет", []),
    ("", []),
    (None, []),
    (True, []),
    (0, []),
]


@pytest.mark.parametrize(("raw", "phones"), CASES, ids=lambda value: repr(value)[:40])
def test_extract(raw: object, phones: list[str]) -> None:
    assert extract(raw) == phones
    assert normalise(raw) == (phones[0] if phones else None)


def test_another_region_reads_its_own_numbers() -> None:
    assert normalise("0151 12345678", region="DE") == "+4915112345678"
    assert normalise("+7 777 123 45 67", region="DE") == ONE
    assert normalise("7771234567", region="DE") != ONE
    # there an 8 is a digit like any other
    assert normalise("8 777 123 45 67", region="DE") != ONE


@pytest.mark.parametrize(
    ("e164", "shown"),
    [
        ("+77000000001", "•••• 0001"),
        ("+4915112345678", "•••• 5678"),
        ("+1234", "••••"),
        ("", "••••"),
        (None, "••••"),
    ],
)
def test_mask(e164: str | None, shown: str) -> None:
    assert mask(e164) == shown


NATIONAL = st.from_regex(r"\A(7[0-9]{2}|9[0-9]{2})[0-9]{7}\Z")


@given(NATIONAL, st.sampled_from(["+7{}", "8{}", "7{}", "{}", "7{}@c.us", "+7 ({0:.3}) {0}", "x {} доб. 3"]))
def test_every_way_of_writing_gives_one_key(number: str, form: str) -> None:
    if "{0" in form:
        form = f"+7 ({number[:3]}) {number[3:6]}-{number[6:8]}-{number[8:]}"
    phone = normalise(form.format(number))
    assert phone == f"+7{number}"
    assert normalise(phone) == phone


@given(st.text() | st.from_regex(r"[-+ ()0-9@.,]{0,40}"))
def test_any_text_gives_numbers_that_read_back(text: str) -> None:
    for phone in extract(text):
        assert extract(phone) == [phone]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Асель", "Асель"),
        ("+7 700 000 40 40", "•••• 4040"),
        ("Ерлан 87000004040", "Ерлан •••• 4040"),
        ("Заказ 2026-11-21", "Заказ 2026-11-21"),
        ("", "•••• 0001"),
        (None, "•••• 0001"),
    ],
)
def test_a_client_is_shown_without_the_phone(name: str | None, shown: str) -> None:
    assert person(name, "+77000000001") == shown


def test_a_client_without_anything_has_a_word() -> None:
    assert person(" ", None) == "Клиент без имени"
