"""Names nobody told us: said in the middle of a phrase, declined, by patronymic, with initials, in a row, in Latin letters.

What a word may be tells :mod:`analysis.llm.masking.lexicon`. One that is a name and something else besides is hidden where its place
says so: after a greeting, before an «аға», beside a surname, where somebody does something. What is sold is not: «диван
Виктория», «ТОО «Береке».
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.llm.masking.lexicon import Kind, kind, words
from analysis.reading.normalisation import folded

#: what stands for a phone that was hidden
PHONE = "\u260e"
_WORD = re.compile(r"[^\W\d_]{1,40}(?:-[^\W\d_]{2,40})?")
_UPPER, _LOWER = "[А-ЯЁӘҒҚҢӨҰҮІ]", "[а-яёәғқңөұүһі-]"
_BOTH = rf"{_UPPER}\.[^\S\n]?{_UPPER}\."
#: «И. И. Иванов», «Иванов И.И.»; with one initial the word must be no ordinary one («Пациент Ш.»)
_INITIALS = (
    re.compile(rf"(?<![\w.]){_BOTH}[^\S\n]?{_UPPER}{_LOWER}{{2,30}}"),
    re.compile(rf"(?<!\w){_UPPER}{_LOWER}{{1,30}}[^\S\n]{{1,2}}{_BOTH}"),
    re.compile(rf"(?<![\w.]){_UPPER}\.[^\S\n]?(?P<word>{_UPPER}{_LOWER}{{2,30}})"),
    re.compile(rf"(?<!\w)(?P<word>{_UPPER}{_LOWER}{{1,30}})[^\S\n]{{1,2}}{_UPPER}\.(?!\w)"),
)
#: «ФИО: …», «Получатель: …»: whatever follows is a person
_FIELD = re.compile(
    r"(?i:\b(?:ф\.?\s?и\.?\s?о\.?|имя|фамилия|аты-?\s?жөні|аты|получател\w{1,2}|отправител\w{1,2}|заказчик|клиент|контактное лицо|контакт|кому|имя клиента|fio|imya|аты жөні))[^\S\n]?[:—-][^\S\n]?"
    r"(?P<name>[^\W\d_]{2,30}(?:[^\S\n][^\W\d_]{2,30}){0,3})"
)
#: what is called so is a thing: «Анна Павлова» on a cake, ООО «Иванов и партнёры»
_QUOTED = re.compile(r"[«\"“][^»\"”\n]{1,60}[»\"”]")
#: after a name
_ADDRESSED = (
    "аға", "ага", "апа", "әпке", "апке", "тәте", "тате", "ханым", "мырза", "көке", "женге", "жеңге", "бауырым", "опа", "ака", "aga", "apa", "tate", "khanym", "myrza", "opa", "aka",
)  # fmt: skip
#: words for a number itself, Kazakh ones no dictionary has
_CHANNEL = re.compile(
    r"тел|ном|нөм|нум|пошт|почт|тг|ватс|вотс|уатс|whats|wats|сот|моб|раб|город|дом|viber|вайб|жсн|иин|каспи|kaspi|tel|nom|ескер|жаң"
)
_INITIAL = re.compile(r"[^\S\n][А-ЯЁӘҒҚҢӨҰҮІ]\.(?:[^\S\n]?[А-ЯЁӘҒҚҢӨҰҮІ]\.)?")
_ROW = re.compile(r"[^\S\n]?[,;][^\S\n]{1,2}")
_NEXT = re.compile(rf"(?:,[^\S\n]{_UPPER}{_LOWER}{{2,20}})?[^\S\n](?:и|және)[^\S\n]{_UPPER}{_LOWER}{{2,20}}")
#: after a name at the beginning of a sentence: somebody is called
_CALL = re.compile(
    r"[^\S\n]?[,!][^\S\n]{0,2}(?:добр|здра|прив|сал[ае]м|сәлем|подскаж|скаж|а |вы |ты |можно|қайырлы|спасибо|рахмет|қалай|как |где|когда|перезвон|напиш|salem|privet|я |это )",
    re.I,
)
#: … or somebody does something
_DOES = re.compile(
    r"[^\S\n](?:не[^\S\n]|с[^\S\n]\w{3,12}[^\S\n]\w{3,12}[^\S\n]не[^\S\n]|сам[а]?[^\S\n]|уже[^\S\n]|вчера[^\S\n]|сегодня[^\S\n])?(?:прос|сказ|обеща|звон|перезвон|пис|спраш|спрос|забер|забр|приед|приех|прин|привез|привёз|оплат|отвеч|ответ|рабо|говор|хот|жд|едет|подпи|жаз|айт|келе|келд|берд|жібер)\w{0,10}",
    re.I,
)


def spans(text: str) -> list[tuple[int, int]]:
    """Places of names, in order, none inside another."""
    found = [
        (match.start(), match.end())
        for pattern in _INITIALS
        for match in pattern.finditer(text)
        if not pattern.groups or kind(folded(match["word"]))
    ]
    found += [*_fields(text), *_Words.of(text).phrases()]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _fields(text: str) -> Iterator[tuple[int, int]]:
    """«ФИО: …», as far as the words are names or have a capital."""
    for match in _FIELD.finditer(text):
        end = start = match.start("name")
        for word in _WORD.finditer(text, start, match.end("name")):
            if not (word[0][0].isupper() or kind(folded(word[0])) in ("sure", "patronymic", "surname")):
                break
            end = word.end()
        if end > start:
            yield start, end


@dataclass(frozen=True)
class _Word:
    start: int
    end: int
    text: str
    low: str
    kind: Kind

    @property
    def is_titled(self) -> bool:
        return self.text[0].isupper() and not self.text.isupper()


@dataclass(frozen=True)
class _Words:
    """The words of a text outside quotation marks, with what each may be."""

    text: str
    words: tuple[_Word, ...]

    @classmethod
    def of(cls, text: str) -> _Words:
        quoted = [(match.start(), match.end()) for match in _QUOTED.finditer(text)]
        return cls(
            text,
            tuple(
                _Word(match.start(), match.end(), match[0], folded(match[0]), kind(folded(match[0])))
                for match in _WORD.finditer(text)
                if not any(start <= match.start() < end for start, end in quoted)
            ),
        )

    def phrases(self) -> Iterator[tuple[int, int]]:
        taken = [self._is_name(place) for place in range(len(self.words))]
        for _ in range(2):
            for place in range(len(self.words)):
                taken[place] = taken[place] or self._is_beside(taken, place)
        start = None
        for place, word in enumerate(self.words):
            if not taken[place]:
                continue
            start = word.start if start is None else start
            if place + 1 == len(self.words) or not taken[place + 1] or not self._are_joined(place, place + 1):
                initial = _INITIAL.match(self.text, word.end)
                yield start, initial.end() if initial else word.end
                start = None

    def _is_name(self, place: int) -> bool:
        """By the word itself and what stands before and after it."""
        word = self.words[place]
        before, after = self._before(place), self._after(place)
        low_after = after.low if after else ""
        if not word.kind or before in words("goods") or low_after in words("regions"):
            return False
        if word.kind == "patronymic" or (after and after.kind == "patronymic"):
            return True
        is_street = word.low.endswith(("ова", "ева", "ина") if before in ("на", "угол", "уг") else ("а", "я"))
        if before in ("по", "на", "угол", "уг") and is_street and not (after and after.kind) and word.kind != "maybe":
            return False  # a street without a house: «по Тимирязева пробка»
        is_greeted = before in words("greetings") or low_after.startswith(_ADDRESSED)
        if word.kind == "sure":
            is_shouted = word.text.isupper() and len(word.low) > 3
            return word.is_titled or is_greeted or before in words("about_somebody") or len(word.low) > 4 or is_shouted
        if word.kind == "surname":
            is_shouted = word.text.isupper() and len(word.low) > 6
            return not word.low.isascii() and (word.is_titled or is_greeted or before in words("titles") or is_shouted)
        is_beside_a_number = self._is_beside_a_number(word)
        if word.kind == "unknown":
            return word.is_titled and (is_greeted or before in words("titles") or is_beside_a_number)
        if word.is_titled:
            is_inside = bool(before) and not self._opens(word) and before not in words("of_things")
            return (
                is_greeted or before in words("about_somebody") or is_beside_a_number or is_inside or self._acts(word)
            )
        return (is_greeted and before not in words("half_greetings")) or before in ("это", "eto") or is_beside_a_number

    def _is_beside(self, taken: list[bool], place: int) -> bool:
        """A surname beside a name, the next name of a row: «Кожахметова, Югай и Штейна»."""
        word = self.words[place]
        near = [one for one in (place - 1, place + 1) if self._is_taken(taken, one) and self._are_joined(place, one)]
        if word.low in words("connectors"):
            return len(near) > 0 and near[0] < place < len(self.words) - 1 and self.words[place + 1].text[0].isupper()
        if not word.text[0].isupper():
            return False
        beside = {self.words[one].kind for one in near}
        if beside & {"sure", "patronymic"} and not word.kind:
            # a short surname that is a word too: «Пак Людмила», «Лим Виктор Алексеевич»
            is_inside = not self._opens(word) or self.text[: word.start].rstrip().endswith((":", "—"))
            return (
                len(word.low) <= 4
                and word.low not in words("greetings") | words("about_somebody") | words("goods")
                and is_inside
            )
        if beside and (word.kind in ("surname", "sure") or (beside != {"unknown"} and word.kind)):
            return True
        return word.kind in ("maybe", "surname", "unknown") and word.is_titled and self._is_in_a_row(taken, place)

    def _is_in_a_row(self, taken: list[bool], place: int) -> bool:
        for one in (place - 1, place + 1):
            if (
                self._is_taken(taken, one)
                and self.words[one].text[0].isupper()
                and _ROW.fullmatch(self._gap(place, one))
            ):
                return True
        for one, between in ((place - 2, place - 1), (place + 2, place + 1)):
            if (
                self._is_taken(taken, one)
                and self.words[one].text[0].isupper()
                and self.words[between].low in words("and")
            ):
                return self._are_joined(one, between) and self._are_joined(between, place)
        return False

    def _is_taken(self, taken: list[bool], place: int) -> bool:
        return 0 <= place < len(self.words) and taken[place]

    def _before(self, place: int) -> str:
        return self.words[place - 1].low if place and self._are_joined(place - 1, place, " ,:-") else ""

    def _after(self, place: int) -> _Word | None:
        is_there = place + 1 < len(self.words) and self._are_joined(place, place + 1)
        return self.words[place + 1] if is_there else None

    def _are_joined(self, one: int, other: int, between: str = " ") -> bool:
        gap = self._gap(one, other)
        return 0 < len(gap) <= 3 and set(gap) <= set(between)

    def _gap(self, one: int, other: int) -> str:
        left, right = sorted((one, other))
        return self.text[self.words[left].end : self.words[right].start]

    def _opens(self, word: _Word) -> bool:
        """The word begins a sentence, where any word has a capital."""
        left = self.text[max(0, word.start - 4) : word.start].rstrip(' «"(')
        return not left or left[-1] in ".!?\n:;"

    def _is_beside_a_number(self, word: _Word) -> bool:
        left, right = self.text[max(0, word.start - 3) : word.start], self.text[word.end : word.end + 3]
        is_beside = left.rstrip(" ,").endswith(PHONE) or right.lstrip(" ,-").startswith(PHONE)
        return is_beside and not _CHANNEL.match(word.low)

    def _acts(self, word: _Word) -> bool:
        """Somebody is called («Имярек, добрый день»), does something, or stands first in a row."""
        return any(pattern.match(self.text, word.end) for pattern in (_CALL, _NEXT, _DOES))
