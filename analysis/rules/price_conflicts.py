"""One thing, two prices: what the company's people said of it at different times, or its site and its people.

Compared are sentences with a single sum in them. A later sum counts only when nothing around it explains the change (a
discount, a size, delivery put in, another model): a price that was asked about anew is no contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.reading.models import Item
from analysis.reading.morphology import is_name
from analysis.reading.sentences import Sentence

_SUM = re.compile(
    r"(?<![\w.,/-])(\d{1,3}(?:[ \u00a0\u202f]\d{3})+|\d{2,7})(?:[.,]\d+)?\s*(тыс\w*|к\b|т\.?\s?(?:тг|р)|мың)?\s*(₸|тг\b|тенге|руб\w*|₽|р\b)?(?![\w%])"
)
#: what makes another price the right one
_EXPLAINED = re.compile(
    r"\b(?:скидка|акция|доставка|сборка|установка|монтаж|размер|другой|вариант|ткань|цвет|метр|метраж|комплект|рассрочка|предоплата|аванс|остаток|месяц|итого|вместе|плюс|опция|дополнительный"
    r"|матрас|ящик|фурнитура|подсветка|новый|старый|пересчитать|пересчет|вместо|большой|маленький|если|минус|штука|оптом|опт|замер|от|до|около|примерно|без|бывать|зависеть|больше|меньше|дешевый|дорогой|второй|третий|оба)\b"
)
_COMPANY = re.compile(
    r"\b(?:на сайт|в инстаграм\w*|в каталог|в реклама|в объявление|на витрина|на ценник|в прайс|по прайс|на каспи|в рассылка)\b"
)
_NOT_A_THING = frozenset(
    [
        "цена",
        "стоимость",
        "сумма",
        "тенге",
        "тг",
        "рубль",
        "тысяча",
        "тыс",
        "руб",
        "мың",
        "сум",
        "день",
        "час",
        "год",
        "добрый",
        "сегодня",
        "завтра",
        "вчера",
    ]
)
_FORM = re.compile(r"(?<= )[^\W\d_]{3,}(?= )")
#: a sum of the same thing is never so far from another
_FAR = 2.0


@dataclass(frozen=True)
class _Said:
    sentence: Sentence
    value: int
    things: frozenset[str]


def find(sentences: Sequence[Sentence]) -> list[Item]:
    """At most one contradiction: the later sentence is quoted, both messages are named."""
    said: list[_Said] = []
    for sentence in sentences:
        one = _said(sentence)
        if one is None:
            continue
        for before in said:
            if _contradicts(before, one, sentences):
                ids = (sentence.line.message_id, before.sentence.line.message_id)
                return [Item("wrong_price", ids, sentence.quote(), author=sentence.line.author)]
        said.append(one)
    return []


def _said(sentence: Sentence) -> _Said | None:
    sums = [m for m in _SUM.finditer(sentence.folded) if m[2] or m[3] or len(re.sub(r"\D", "", m[1])) >= 5]
    forms = sentence.tagged.line
    if len(sums) != 1 or (sentence.line.kind == "client" and not _COMPANY.search(forms)) or _EXPLAINED.search(forms):
        return None
    value = int(re.sub(r"\D", "", sums[0][1])) * (1000 if sums[0][2] else 1)
    things = frozenset(word for word in _FORM.findall(forms) if word not in _NOT_A_THING and is_name(word))
    return _Said(sentence, value, things) if value >= 1000 else None


def _contradicts(before: _Said, now: _Said, sentences: Sequence[Sentence]) -> bool:
    if now.sentence.line.kind != "manager" or before.sentence.line.order >= now.sentence.line.order:
        return False
    low, high = sorted((before.value, now.value))
    if high == low or high > low * _FAR or high - low < low * 0.01:
        return False
    if before.sentence.line.kind == "client":
        # the site's price named by a client is answered at once or not at all
        return now.sentence.line.order - before.sentence.line.order <= 2 and (
            not now.things or now.things <= before.things
        )
    if not before.things or before.things != now.things:
        return False
    between = [
        s
        for s in sentences
        if before.sentence.line.order < s.line.order < now.sentence.line.order and s.line.kind == "client"
    ]
    return not any(_EXPLAINED.search(s.tagged.line) or "#" in s.tagged.line for s in between)
