"""What may be said: quotes that stand in a message, numbers that code put in, directions that are true.

Nothing here trusts a model. A claim without its quote is dropped and counted; a generated sentence holds no
number of its own, only placeholders ``{key}`` that code fills; «выросло» needs a value above the usual one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from analysis.reading.normalisation import folded, has_link, is_russian, name_stem, plain

#: one letter or an emoji stands in every dialog and proves nothing
_SHORTEST_QUOTE = 2


class Quotable(Protocol):
    """A message as far as quoting needs it."""

    @property
    def message_id(self) -> str: ...
    @property
    def body(self) -> str: ...


def find_quote(quote: str, messages: Iterable[Quotable]) -> str | None:
    """Id of the first message that holds the quote word for word, or None.

    Compared after NFKC with spaces, quote marks and dashes made alike; a quote starts and ends at word borders.
    """
    wanted = plain(quote)
    if len(wanted) < _SHORTEST_QUOTE or not any(char.isalnum() for char in wanted):
        return None
    for message in messages:
        if _stands_in(wanted, plain(message.body)):
            return message.message_id
    return None


def _stands_in(wanted: str, text: str) -> bool:
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        before = at == 0 or not (text[at - 1].isalnum() and wanted[0].isalnum())
        after = end == len(text) or not (text[end].isalnum() and wanted[-1].isalnum())
        if before and after:
            return True
        at = text.find(wanted, at + 1)
    return False


def locate(quote: str, message_ids: Sequence[str], messages: Sequence[Quotable]) -> list[str]:
    """The named ids, if all are of these messages and one of them holds the quote (that one first); else ``[]``."""
    known = {message.message_id: message for message in messages}
    if not message_ids or any(message_id not in known for message_id in message_ids):
        return []
    found = find_quote(quote, (known[message_id] for message_id in message_ids))
    if found is None:
        return []
    return [found, *(i for i in dict.fromkeys(message_ids) if i != found)]


# --- numbers ------------------------------------------------------------------------------------------------

_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_DIGIT = re.compile(r"[\d%₽₸$€¼½¾\u2150-\u218b]")
_NUMERAL = re.compile(
    r"\b(?:ноль|нол[яю]|нулев\w+|оди[нн]\w*|одн(?:а|о|ой|ого|ому|им|их)|дв(?:а|е|ух|ум|умя|ое|оих)|об(?:а|е|оих|еих)|тр(?:и|[её]х|[её]м|емя|ое)"
    r"|четыр\w+|четвер\w+|пят(?:ь|и|ью|[её]рк?\w*|ер[оы]\w*)|шест(?:ь|и|ью|ер\w+)|сем(?:ь|и|ер[оы]\w*)|вос[ье]м\w*|девят(?:ь|и|ью|ер\w+)"
    r"|десят\w+|\w+надцат\w+|двадцат\w+|тридцат\w+|сорок\w*|\w+десят\w*|девяност\w*|ст(?:о|а)|двест\w*|трист\w*|\w+ста|\w+сот"
    r"|тысяч\w*|миллион\w*|миллиард\w*|млн|млрд|тыс|сотн\w+|дюжин\w+|процент\w*|половин\w+|полтор\w+|пол-?\w*час\w*|треть|трети|четверть"
    r"|вдвое|втрое|вчетверо|впятеро|вдесятеро|дважды|трижды|удво\w+|утро(?:ил|ен)\w*|двукратн\w*|тр[её]хкратн\w*)\b",
    re.I,
)


#: quantities without a number
_QUANTIFIER = re.compile(
    r"\b(?:все|всех|всем|всеми|кажд\w+|никто|никого|никому|ни у кого|большинств\w*|меньшинств\w*|многи[ехм]\w*|мног[оа]|немног\w+|мало|почти"
    r"|нескольк\w+|единств\w+|полност\w+|раз(?:а|ы)?\b(?! в))\b"
)
_UNIT = r"(?:мин(?:ут\w*)?|час\w*|сек(?:унд\w*)?|д(?:ень|ня|ней)|недел\w*|тенге|тг|руб\w*|доллар\w*|клиент\w*|диалог\w*|сдел\w*|продаж\w*|жалоб\w*|%)"
#: «-{x}», «минус {x}», «около {x}», «{x} минут»: the placeholder already says sign, unit and exactness
_SPOILT = re.compile(
    r"[-\u2010-\u2015\u2212+±~≈<>=×*/]\{|\b(?:минус|плюс|около|примерно|порядка|свыше|менее|более|не)\s+\{|\}\s*"
    + _UNIT
    + r"(?!\w)|\}[\w%]",
    re.I,
)


def numbers_in(text: str) -> list[str]:
    """Everything that says a quantity: digits, signs of money and per cent, numerals in words."""
    return [*_DIGIT.findall(text), *_NUMERAL.findall(text)]


def has_own_numbers(text: str) -> bool:
    """A quantity outside placeholders: digits, numerals, «все», «большинство», a sign or a unit put to a placeholder."""
    left = _PLACEHOLDER.sub(" ", text)
    return bool(numbers_in(folded(left)) or _QUANTIFIER.search(folded(left)) or _SPOILT.search(text))


# --- directions ---------------------------------------------------------------------------------------------

_UP = re.compile(
    r"\b(?:вырос\w*|выше|больше|рост\w*|раст[её]т|увелич\w+|возрос\w*|поднял\w*|дольше(?! цели| нормы)|медленн\w+|прибавил\w*|превы\w+)\b",
    re.I,
)
_DOWN = re.compile(
    r"\b(?:сниз\w+|снижен\w+|(?<!разделе )(?<!списке )ниже|меньше|упал\w*|паден\w+|сократ\w+|уменьш\w+|быстрее|просел\w*|просад\w+|убыл\w*|спад\w*|опустил\w*)\b",
    re.I,
)
_WORSE = re.compile(r"\b(?:хуже|ухудш\w+|слабее)\b", re.I)
_BETTER = re.compile(r"\b(?:лучше|улучш\w+|сильнее)\b", re.I)
_SAME = re.compile(r"\b(?:как обычно|на обычном уровне|без изменений|не изменил\w+|стабильн\w+)\b", re.I)


@dataclass(frozen=True)
class Fact:
    """A number code may put into a sentence: how it is shown, and how it stands to the usual one."""

    key: str
    display: str
    #: up, down, same or none (nothing to compare with)
    direction: str = "none"
    #: whether that direction is good news; None: neither
    good: bool | None = None


def false_direction(sentence: str, facts: Mapping[str, Fact]) -> bool:
    """True when the sentence claims a movement that its nearest placeholder does not have."""
    places = [(m.start(), facts.get(m[1])) for m in _PLACEHOLDER.finditer(sentence)]
    for pattern, holds in (
        (_UP, lambda f: f.direction == "up"),
        (_DOWN, lambda f: f.direction == "down"),
        (_SAME, lambda f: f.direction == "same"),
        (_WORSE, lambda f: f.direction in ("up", "down") and f.good is False),
        (_BETTER, lambda f: f.direction in ("up", "down") and f.good is True),
    ):
        for word in pattern.finditer(sentence):
            near = min(places, key=lambda place: abs(place[0] - word.start()), default=(0, None))[1]
            if near is None or not holds(near):
                return True
    return False


# --- sentences a model wrote ------------------------------------------------------------------------------

#: a report reads; it never asks anybody to pay, to open or to tell something
_INSTRUCTION = re.compile(
    r"\b(?:перевед\w+|переве(?:сти|дите)|оплатит\w*|парол\w*|токен\w*|api|ключ\w*|карт[аыуе]\b|карты|ссылк\w+|увол\w+|уволь\w*|инструкц\w+"
    r"|промпт\w*|систем\w+ сообщ\w+|игнорир\w+|скача\w+|перейдите|нажмите|открой\w*)\b",
    re.I,
)


def _names_somebody(text: str, names: Iterable[str]) -> bool:
    """A capital letter where no sentence begins, or one of the known names anywhere, in any case."""
    if _INNER_CAPITAL.search(text):
        return True
    words = {word for name in names for word in re.findall(r"[^\W\d_]{3,}", name)}
    return any(re.search(rf"\b{name_stem(word)}\b", text, re.I) for word in words)


def wrong_subject(text: str) -> str | None:
    """A clause that speaks of sales may hold only the number of sales; None when all clauses do."""
    for clause in re.split(r"[,;.]\s", text):
        keys = set(_PLACEHOLDER.findall(clause))
        if not keys:
            continue
        for words, of in _SUBJECTS:
            if words.search(clause) and not keys & of:
                return "subject"
    return None


def refuse_sentence(text: str, facts: Mapping[str, Fact], limit: int = 260, names: Iterable[str] = ()) -> str | None:
    """Why a generated sentence may not be shown, or None if it may. ``names``: people it must not speak of."""
    keys = _PLACEHOLDER.findall(text)
    rest = _PLACEHOLDER.sub(" ", text)
    if not keys:
        return "no placeholder"
    if unknown := [key for key in keys if key not in facts]:
        return f"unknown placeholder {unknown[0][:30]}"
    if "{" in rest or "}" in rest or has_link(rest):
        return "markup"
    if len(text) > limit or "\n" in text or "!" in text:
        return "form"
    if has_own_numbers(text):
        return "number"
    if not is_russian(rest):
        return "language"
    if _INSTRUCTION.search(rest):
        return "instruction"
    if _names_somebody(text, names):
        return "name"
    if why := wrong_subject(text):
        return why
    if any(false_direction(part, facts) for part in re.split(r"(?<=[.;])\s+", text)):
        return "direction"
    return None


_INNER_CAPITAL = re.compile(r"(?<![.!?…] )(?<!^)\b(?!AI\b|CRM\b)[А-ЯЁA-Z]")
#: words of a subject → the placeholders that speak of it
_SUBJECTS: tuple[tuple[re.Pattern[str], set[str]], ...] = tuple(
    (re.compile(words, re.I), set(keys.split()))
    for words, keys in (
        (r"\bпрода(?:ж|н|л)\w*|\bвыручк\w*", "deals_won deals_won_amount"),
        (r"\bпотер(?:ян|ял)\w*|\bупущ\w*", "deals_lost"),
        (r"\bжд[ёеу]\w*|\bожида\w*|\bбез ответа\b", "unanswered_now unanswered_overdue money_at_risk"),
        (r"\bриск\w*", "money_at_risk"),
        (r"\bжалоб\w*|\bжалу\w*", "complaints"),
        (r"\bнов(?:ых|ые|ый)\b", "new_clients"),
        (r"\bв срок\b|\bвовремя\b", "answered_within_target"),
        (r"\bотвеча\w+|\bреакц\w+", "first_response_p50 answered_within_target"),
        (r"\bдиалог\w*|\bпереписк\w*", "dialogs"),
    )
)


def fill(text: str, facts: Mapping[str, Fact]) -> str:
    """Placeholders replaced by what code says. Call :func:`refuse_sentence` first."""
    return _PLACEHOLDER.sub(lambda m: facts[m[1]].display, text)
