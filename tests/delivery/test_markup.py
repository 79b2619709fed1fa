"""Cutting Telegram's HTML: any text, valid parts, nothing lost, order kept."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.telegram.markup import (
    LIMIT,
    clip,
    clusters,
    escape,
    split_html,
    split_plain,
    utf16_length,
    visible_length,
    visible_text,
)
from sandbox.vendors.telegram.text import parse, utf16

PIECES = st.sampled_from(
    [
        "слово ",
        "длинноесловобезпробелов",
        "\n",
        "\n\n",
        "👩‍👩‍👧‍👦",
        "🇰🇿",
        "👍🏽",
        "é",
        "<b>",
        "&amp;",
        "_*[`",
        "漢字",
        "\t",
        "1 250 000 ₸",
        "№" * 50,
    ]
)
TEXTS = st.one_of(
    st.text(max_size=400),
    st.lists(PIECES, max_size=60).map("".join),
    st.tuples(st.lists(PIECES, min_size=1, max_size=30).map("".join), st.integers(1, 400)).map(lambda t: (t[0] * t[1])[:20_000]),
    st.integers(0, 20_000).map(lambda n: "я" * n),
    st.integers(0, 10_000).map(lambda n: "e" + "\u0301" * n),
)  # fmt: skip


def squeezed(text: str) -> str:
    """Without white space, which a cut may turn into the border of two messages."""
    return re.sub(r"\s", "", text)


def sendable(text: str) -> str:
    return re.sub("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]", "", text)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_any_text_is_cut_into_parts_that_telegram_takes(text: str) -> None:
    markup = f'<b>{escape(text)}</b>\n<a href="https://x.kz/?a=1&amp;b=2"><i>{escape(text[:50])}</i></a>'
    parts = split_html(markup)
    for part in parts:
        assert utf16(visible_text(part)) <= LIMIT
        plain, entities = parse(part, "HTML")
        assert plain == visible_text(part).strip()
        assert all(entity["length"] > 0 for entity in entities)
    assert squeezed("".join(visible_text(part) for part in parts)) == squeezed(sendable(text) + sendable(text[:50]))


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS)
def test_plain_text_is_cut_without_loss(text: str) -> None:
    parts = split_plain(text)
    assert all(0 < utf16(part) <= LIMIT and not part.isspace() for part in parts)
    assert squeezed("".join(parts)) == squeezed(sendable(text))


@pytest.mark.parametrize("letter", ["я", "漢", "\uffff", "\U00010000", "👍", "🇰🇿", "👩‍👩‍👧‍👦"])
def test_a_part_is_measured_as_telegram_measures_it(letter: str) -> None:
    """A letter beyond the first 65,536 is two units: no part has more than the limit, and none could hold one more."""
    unit = len(letter.encode("utf-16-le")) // 2
    text = letter * (2 * LIMIT // unit)
    assert utf16_length(letter) == unit and utf16_length(text) == len(text.encode("utf-16-le")) // 2
    for parts in (split_html(text), split_plain(text)):
        assert all(LIMIT - unit < len(part.encode("utf-16-le")) // 2 <= LIMIT for part in parts[:-1])
        assert "".join(parts) == text


def test_open_tags_are_closed_and_opened_again() -> None:
    parts = split_html("<b>" + "раз два " * 1000 + "</b>")
    assert len(parts) == 2
    assert all(part.startswith("<b>") and part.endswith("</b>") for part in parts)
    assert parts[0].endswith("раз два </b>") or parts[0].endswith("раз </b>")


def test_a_cut_prefers_a_paragraph_to_a_line_and_a_line_to_a_word() -> None:
    assert split_html("а" * 60 + "\n\n" + "б" * 20 + "\n" + "в" * 30, 100) == [
        "а" * 60 + "\n\n",
        "б" * 20 + "\n" + "в" * 30,
    ]
    assert split_html("а" * 60 + "\n" + "б " * 30, 100)[0] == "а" * 60 + "\n"
    assert split_html("раз два три", 8) == ["раз два ", "три"]


@pytest.mark.parametrize(
    "cluster", ["👩‍👩‍👧‍👦", "🇰🇿", "🇦🇿", "🇿🇦", "👍🏽", "й̆́", "1️⃣", "е\u0300", "👍\U0001f3fb", "👍\U0001f3ff"]
)
def test_a_letter_is_never_cut(cluster: str) -> None:
    assert list(clusters(f"a{cluster}b")) == ["a", cluster, "b"]
    for part in split_html(cluster * 400, 101):
        assert not visible_text(part).replace(cluster, "")


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<b>жирно</b> и &lt;тег&gt; &amp; &quot;кавычки&quot;", 'жирно и <тег> & "кавычки"'),
        ("&nbsp;остаётся", "&nbsp;остаётся"),
        ("&#128202;&#x1F4CA;&#0;", "📊📊�"),
        ('<a href="https://x.kz">ссылка</a>', "ссылка"),
        ("a < b", "a < b"),
    ],
)
def test_visible_text(markup: str, text: str) -> None:
    assert visible_text(markup) == text
    assert visible_length(markup) == len(text)


@pytest.mark.parametrize(
    ("text", "limit", "clipped"),
    [
        ("короткий текст", 20, "короткий текст"),
        ("первое второе третье", 14, "первое второе…"),
        ("первое второе третье", 13, "первое…"),
        ("первое, второе", 9, "первое…"),
        ("словослишкомдлинное", 6, "слово…"),
        ("👍🏽👍🏽👍🏽", 4, "👍🏽…"),
    ],
)
def test_clip_keeps_words(text: str, limit: int, clipped: str) -> None:
    assert clip(text, limit) == clipped
