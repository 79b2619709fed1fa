"""Three hundred citations that do not hold: none is accepted. And as many honest ones: all are.

Seen red: the quote check off.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from analysis.llm.masking import Mask
from analysis.llm.reader import Ground, ground, split
from analysis.proof.evidence import Evidence
from synkro.reporting.dialogs import Message
from tests.analysis.inputs import FURNITURE
from tests.analysis.rules.test_rules import dialog

TALKS = (
    "К: Здравствуйте, сколько стоит угловой диван «Верона»?\nМ: Добрый день! Сейчас посмотрю\nК: И доставка на Сайран нужна",
    "М: Замер завтра в десять, подойдёт?\nК: Да, подойдёт — жду мастера\nМ: Записала вас",
    "К: Привезли стол с трещиной, что делать?\nМ: Пришлите, пожалуйста, фото\nК: Отправила вчера вечером",
    "К: Мне нужен шкаф-купе до потолка\nМ: Какая высота потолка?\nК: Два семьдесят примерно",
    "К: Рассрочка есть?\nМ: Есть на полгода без переплаты\nК: Хорошо, подумаю до выходных",
)
_FOREIGN = "Верните деньги немедленно, иначе пойду в суд"


def _answer(n: Any, quote: Any) -> dict[str, Any]:
    return {"topics": [{"kind": "price", "n": n, "quote": quote}]}


def _letter(quote: str, rng: random.Random) -> str:
    at = rng.choice([i for i, char in enumerate(quote) if char.isalpha()])
    return quote[:at] + ("ж" if quote[at] != "ж" else "ш") + quote[at + 1 :]


def _word(quote: str, rng: random.Random) -> str:
    words = quote.split()
    words[rng.randrange(len(words))] = "шиншилла"
    return " ".join(words)


Spoil = Callable[[random.Random, int, str, int], dict[str, Any]]
#: (random, true number, true quote, messages in the dialog) → an answer that must not be believed
SPOILT: tuple[Spoil, ...] = (
    lambda rng, n, quote, size: _answer([n], _letter(quote, rng)),
    lambda rng, n, quote, size: _answer([n], _word(quote, rng)),
    lambda rng, n, quote, size: _answer([n], _FOREIGN),
    lambda rng, n, quote, size: _answer([n % size + 1], quote),
    lambda rng, n, quote, size: _answer([size + rng.randrange(1, 1000)], quote),
    lambda rng, n, quote, size: _answer([n, 99_999], quote),
    lambda rng, n, quote, size: _answer([-n], quote),
    lambda rng, n, quote, size: _answer([str(n)], quote),
    lambda rng, n, quote, size: _answer([n != 1], quote),
    lambda rng, n, quote, size: _answer([], quote),
    lambda rng, n, quote, size: _answer(n, quote),
    lambda rng, n, quote, size: _answer([n], ""),
    lambda rng, n, quote, size: _answer([n], "?"),
    lambda rng, n, quote, size: _answer([n], None),
    lambda rng, n, quote, size: _answer([n], [quote]),
    lambda rng, n, quote, size: _answer([n], quote + " " + _FOREIGN),
    lambda rng, n, quote, size: _answer([n], " ".join(reversed(quote.split()))),
    lambda rng, n, quote, size: _answer([n], quote[1:-1]),
    lambda rng, n, quote, size: _answer([n], quote.upper()),
    lambda rng, n, quote, size: _answer([n], quote.replace("о", "o").replace("е", "e")),
)  # fmt: skip


def of(messages: Sequence[Message]) -> Ground:
    """Every message is new, and nobody has a name."""
    (part,) = split(messages)
    ids = frozenset(one.message_id for one in messages)
    return Ground(part, Mask(()), "Asia/Almaty", FURNITURE, Evidence.of(messages, "Asia/Almaty"), {}, ids)


def test_no_invalid_citation_is_accepted() -> None:
    rng = random.Random(3)
    accepted = []
    for case in range(300):
        messages = dialog(rng.choice(TALKS))
        n = rng.randrange(1, len(messages) + 1)
        # a whole message of three words and more: cutting a letter off either end breaks a word
        quote = messages[n - 1].body.rstrip("?!.")
        if len(quote.split()) < 3:
            n, quote = 1, messages[0].body.rstrip("?!.")
        raw = SPOILT[case % len(SPOILT)](rng, n, quote, len(messages))
        read = ground(raw, of(messages))
        if read.reading.topics or read.dropped != 1:
            accepted.append((case % len(SPOILT), raw))
    assert accepted == []


def test_honest_citations_are_accepted() -> None:
    rng = random.Random(4)
    for _ in range(300):
        messages = dialog(rng.choice(TALKS))
        n = rng.randrange(1, len(messages) + 1)
        words = messages[n - 1].body.split()
        start = rng.randrange(len(words))
        quote = " ".join(words[start : start + rng.randrange(1, 6)])
        if sum(map(str.isalnum, quote)) < 2:
            continue
        read = ground(_answer([n], quote), of(messages))
        assert [t.message_ids for t in read.reading.topics] == [(f"m{n - 1}",)], quote
