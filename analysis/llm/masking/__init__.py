"""Personal data out of what is sent to a model, and back into what it answers.

A :class:`Mask` lives for one call. Phones, e-mails, names in messengers, cards, accounts, identity and tax numbers, papers, car
plates, birth dates, addresses and names, those the CRM knows and those it does not, become placeholders such as ``⟦ТЕЛ1⟧``; equal values get equal placeholders, so that the model still
sees who is who. :meth:`Mask.restore` puts the values back; a placeholder that was never given out is removed.
Errs on the side of hiding: a long order number may look like a phone and is then hidden too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice, product

from analysis.llm.masking import addresses, contacts, documents, names
from analysis.reading import morphology
from analysis.reading.normalisation import folded, name_stem, visible

#: after these words a long number is a thing's
_CODE = re.compile(
    r"(?:артикул\w{0,2}|\bарт\.?|код товара|штрих-?код\w{0,2}|трек\w{0,3}(?:-номер)?|накладн\w{2,3}|контейнер\w{0,2}|сери[яи] товара|(?:заказ|договор|счёт|счет|чек)\w{0,3} ?(?:№|N|#))[^\w\n]{0,3}(?:№|N)?[^\w\n]{0,2}$",
    re.I,
)
_SIZE = re.compile(r"\d{2,4}(?:/\d{2,4}){1,3}")
#: «12 500 14 000 15 800»
_MONEY_IN_A_ROW = re.compile(r"(?:[1-9]\d{0,2}(?: \d{3}){1,2}(?: |$)){2,12}")
#: somebody the CRM does not know introduces themselves, or somebody else
_INTRODUCED = re.compile(
    r"(?P<before>(?i:\bзовут(?=[А-Я])|(?:\bзовут|\bна имя|\bс уважением,?|\bменің атым|\bесімім|\bпишет|\bобращается)[^\S\n]{1,9}))"
    r"(?P<name>[А-ЯЁӘҒҚҢӨҰҮІ][а-яёәғқңөұүһі]{2,30}(?:[^\S\n]{1,9}[А-ЯЁӘҒҚҢӨҰҮІ][а-яёәғқңөұүһі]{2,30}){0,2}(?:[^\S\n][А-ЯЁӘҒҚҢӨҰҮІ]\.){0,2})"
)
#: after these words comes a name however it is typed
_CALLED = re.compile(
    r"(?P<before>(?:\b(?:меня|его|ее|её|мужа|жену|брата|сестру) зовут|\bзаказ на имя|\bменің атым|\bесімім)[^\S\n]{1,9})"
    r"(?P<name>[а-яёәғқңөұүһі]{3,30})(?!\w)",
    re.I,
)
#: ways to write the names of one quote that are tried
_MOST_SPELLINGS = 16
_PLACEHOLDER = re.compile(r"⟦([А-ЯЁ]+)(\d+)⟧")


#: what is told by its looks alone, in this order
_FIRST = (
    ("ССЫЛКА", contacts.LINK),
    ("ПОЧТА", contacts.EMAIL),
    ("НИК", contacts.HANDLE),
    ("СЧЁТ", documents.FOREIGN_ACCOUNT),
    ("ДОК", documents.SNILS),
    ("ДОК", documents.VIN),
    ("ДОК", documents.PLATE),
    ("ТЕЛ", contacts.BROKEN),
    ("ТЕЛ", contacts.WITH_LETTERS),
)


class Mask:
    """Placeholders of one call. ``known``: people the CRM and the channel know in this dialog; ``people``: name → the mark of who
    they are in it («М1», «К»), which is then their placeholder however the name is written."""

    def __init__(self, known: Iterable[str] = (), people: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str] = {}
        self._spellings: dict[str, list[str]] = {}
        self._roles = _roles(people or {})
        known = [*known, *(people or {})]
        self._given: dict[tuple[str, str], str] = {}
        words = {word for name in known for word in re.findall(r"[^\W\d_]{2,}", visible(name))}
        # a name is declined: the stem and up to three letters of an ending; one of two letters stands as it is written
        stems = [name_stem(word) if len(word) > 2 else f"(?-i:{re.escape(word.title())})" for word in words]
        self._names = (
            re.compile(r"(?<![^\W_])(?:" + "|".join(sorted(stems, key=len, reverse=True)) + r")(?![^\W_])", re.I)
            if stems
            else None
        )

    @property
    def hidden(self) -> int:
        """How many different values were hidden."""
        return len(self._values)

    def hide(self, text: str) -> str:
        """The text as it may leave the installation."""
        text = visible(text).replace("⟦", "[").replace("⟧", "]")
        for kind, pattern in _FIRST:
            text = pattern.sub(lambda m, kind=kind: self._put(kind, m[0]), text)  # type: ignore[misc]
        text = documents.ACCOUNT.sub(self._account, text)
        text = documents.PAPER.sub(lambda m: m[0].replace(m["number"], self._put("ДОК", m["number"])), text)
        text = documents.PAPER_SPOKEN.sub(lambda m: m[0].replace(m["number"], self._put("ДОК", m["number"])), text)
        text = documents.BIRTH.sub(self._birth, text)
        text = documents.CHILD.sub(lambda m: m[0].replace(m["after"], self._put("РОЖД", m["after"])), text)
        for pattern in addresses.PATTERNS:
            text = pattern.sub(self._address, text)
        text = contacts.SPOKEN.sub(self._spoken, text)
        text = contacts.DIGITS.sub(self._digits, text)
        text = contacts.LOCAL.sub(self._local, text)
        text = contacts.EXTENSION.sub(self._local, text)
        for introduced in (_INTRODUCED, _CALLED):
            text = introduced.sub(lambda m: m["before"] + self._put("ИМЯ", m["name"]), text)
        if self._names is not None:
            text = self._names.sub(lambda m: self._known(m[0]), text)
        return self._unknown_names(text)

    def restore(self, text: str) -> str:
        """Values back in place of their placeholders; unknown placeholders vanish."""
        return _PLACEHOLDER.sub(lambda m: self._values.get(m[0], ""), text)

    def restorations(self, text: str) -> Iterator[str]:
        """The text with values back, in each way a person's name was written; the usual one first."""
        marks = [mark for mark in dict.fromkeys(m[0] for m in _PLACEHOLDER.finditer(text)) if mark in self._spellings]
        for chosen in islice(product(*(self._spellings[mark] for mark in marks)), _MOST_SPELLINGS):
            written = text
            for mark, value in zip(marks, chosen, strict=True):
                written = written.replace(mark, value)
            yield self.restore(written)

    def _known(self, value: str) -> str:
        """A name somebody told us: the mark of the one person it can be, else a name like others."""
        roles = {role for pattern, role in self._roles if pattern.fullmatch(value)}
        if len(roles) != 1:
            return self._put("ИМЯ", value)
        role = roles.pop()
        mark = f"⟦{role}⟧" if role[-1].isdigit() else f"⟦{role}1⟧"
        spellings = self._spellings.setdefault(mark, [])
        if value not in spellings:
            spellings.append(value)
        self._values.setdefault(mark, value)
        return mark

    def _put(self, kind: str, value: str) -> str:
        key = (kind, value.strip())
        if key not in self._given:
            number = sum(1 for known, _ in self._given if known == kind) + 1
            self._given[key] = f"⟦{kind}{number}⟧"
            self._values[self._given[key]] = value.strip()
        # spaces at the edges belong to the sentence, not to the value
        return value[: len(value) - len(value.lstrip())] + self._given[key] + value[len(value.rstrip()) :]

    def _unknown_names(self, text: str) -> str:
        """Names nobody told us; what is a placeholder already is no word."""
        pieces, last = [], 0
        for start, end in names.spans(_PLACEHOLDER.sub(_blank, text)):
            pieces += [text[last:start], self._put("ИМЯ", text[start:end])]
            last = end
        return "".join([*pieces, text[last:]])

    def _address(self, match: re.Match[str]) -> str:
        """The word that says an address follows stays; an ordinary word in the place of a street is measured, not lived in."""
        groups = match.re.groupindex
        if "street" in groups and morphology.person_share(folded(match["street"])) == 0.0:
            return match[0]
        address = match["address"] if "address" in groups else match[0]
        return match[0].removesuffix(address) + self._put("АДРЕС", address)

    def _account(self, match: re.Match[str]) -> str:
        """Twenty characters and no further: the next word may be Latin too."""
        run, taken = match[0], 0
        for place, char in enumerate(run):
            taken += char.isalnum()
            if taken == documents.ACCOUNT_LENGTH:
                return self._put("СЧЁТ", run[: place + 1]) + run[place + 1 :]
        return self._put("СЧЁТ", run) if sum(char.isdigit() for char in run) >= 10 else run

    def _birth(self, match: re.Match[str]) -> str:
        date = match["after"] or match["before"]
        return match[0].replace(date, self._put("РОЖД", date))

    def _spoken(self, match: re.Match[str]) -> str:
        """A number that was dictated: five words of numbers in a row, unless something is counted."""
        said = match[0]
        if len(contacts.IS_WORD.findall(said)) < 2 or contacts.COUNTED.match(match.string, match.end()):
            return said
        return self._put("ТЕЛ", said)

    def _local(self, match: re.Match[str]) -> str:
        number = match["number"] or match[0]
        return match[0].replace(number, self._put("ТЕЛ", number))

    def _digits(self, match: re.Match[str]) -> str:
        run = match[0]
        digits = re.sub(r"\D", "", run)
        if _CODE.search(match.string, max(0, match.start() - 24), match.start()):
            return run
        if run.lstrip().startswith("+") and len(digits) >= 10:
            return self._put("ТЕЛ", run)
        if _MONEY_IN_A_ROW.fullmatch(run) or _SIZE.fullmatch(run):
            return run
        if re.fullmatch(r"\d{4}(?:[ -]\d{4}){3}", run):
            return self._put("КАРТА", run)
        if 15 <= len(digits) <= 19 and digits[0] in "234569":
            return self._put("КАРТА", run)
        if len(digits) == 11 and digits[0] in "78":
            return self._put("ТЕЛ", run)
        if len(digits) in (10, 12) and not re.search(r"[\s()-]", run):
            return self._put("ИИН", run) if digits[0] not in "79" or len(digits) == 12 else self._put("ТЕЛ", run)
        if len(digits) >= 10:
            # «1 250 000 и 480 000» stays apart by its words; ten digits in one run are somebody's number
            return self._put("ТЕЛ", run)
        if len(digits) == 9 and re.search(r"[\s()-]", run) and digits[0] in "79" and not _is_money(run):
            return self._put("ТЕЛ", run)
        return run


def _roles(people: Mapping[str, str]) -> list[tuple[re.Pattern[str], str]]:
    """A pattern for each word of each name, with the mark of its person."""
    return [
        (re.compile(name_stem(word), re.I), role)
        for name, role in people.items()
        for word in re.findall(r"[^\W\d_]{3,}", visible(name))
    ]


def _blank(match: re.Match[str]) -> str:
    """As long as the placeholder, and no word."""
    return (names.PHONE if match[1] == "ТЕЛ" else "⟧") * len(match[0])


def _is_money(run: str) -> bool:
    groups = run.split()
    return len(groups) > 1 and all(len(group) == 3 for group in groups[1:])
