"""Personal data out of what is sent to a model, and back into what it answers.

A :class:`Mask` lives for one call. Phones, e-mails, cards, identity and tax numbers, addresses and the names
the CRM knows become placeholders such as ``⟦ТЕЛ1⟧``; equal values get equal placeholders, so that the model still
sees who is who. :meth:`Mask.restore` puts the values back; a placeholder that was never given out is removed.
Errs on the side of hiding: a long order number may look like a phone and is then hidden too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from analysis.wording import name_stem, visible

# every repetition below is bounded: a client's message of 65,536 characters must take no more than a long one
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}\s?@\s?[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
#: groups of digits with the separators people use, letters right next to them too («тел87011234567»); judged by how many
#: digits there are
_DIGITS = re.compile(r"(?<!\d)\+?\(?\d(?:[\d \t\u00a0\u2009\u202f()./‐‑‒–—−-]*\d)?(?!\d)")
#: somebody the CRM does not know introduces themselves, or somebody else
_INTRODUCED = re.compile(
    r"(?P<before>(?i:\bзовут|\bэто|\bна имя|\bс уважением,?|\bменің атым|\bесімім|\bпишет|\bобращается)[^\S\n]+)"
    r"(?P<name>[А-ЯЁӘҒҚҢӨҰҮІ][а-яёәғқңөұүһі]{2,}(?:[^\S\n]+[А-ЯЁӘҒҚҢӨҰҮІ][а-яёәғқңөұүһі]{2,}){0,2})"
)
#: after these words comes a name however it is typed
_CALLED = re.compile(
    r"(?P<before>(?:\b(?:меня|его|ее|её|мужа|жену|брата|сестру) зовут|\bзаказ на имя|\bменің атым|\bесімім)[^\S\n]+)"
    r"(?P<name>[а-яёәғқңөұүһі]{3,})(?!\w)",
    re.I,
)
_S = r"[^\S\n]{0,3}"
_STREET = re.compile(
    r"(?:\b(?:ул(?:\.|ица|ице|ицу|(?= ))|пр(?:\.|-т|оспект\w{0,3})|пер(?:\.|еул\w{0,4})|мкр(?:\.|н)?|микрорайон\w{0,3}|бульвар\w{0,3}|бул\.|б-р"
    rf"|шоссе|проезд\w{{0,3}}|көше\w{{0,6}}|даңғыл\w{{0,6}}|адрес\w{{0,3}}:?){_S}«?[\w-]{{1,40}}»?(?:[^\S\n]{{1,3}}[\w-]{{1,40}})?,?{_S}(?:д(?:\.|ом)?{_S})?"
    rf"\d{{1,5}}\w?(?:{_S}/{_S}\d{{1,5}})?"
    rf"|\b[А-ЯЁ][а-яё-]{{3,40}}[^\S\n]{{1,3}}\d{{1,5}}\w?(?={_S},?{_S}кв)|\bд(?:\.|ом){_S}\d{{1,5}}\w?)"
    rf"(?:{_S},?{_S}(?:корп|к|стр|под(?:ъезд)?|этаж)\.?{_S}\d{{1,5}}\w?){{0,5}}(?:{_S},?{_S}кв(?:\.|артира)?{_S}\d{{1,5}})?"
    rf"|\bкв(?:\.|артира){_S}\d{{1,5}}",
    re.I,
)
_PASSPORT = re.compile(
    r"(?:\b(?:паспорт\w*|уд(?:остоверени\w+|\.)|№\s*уд\w*)\s*(?:серия|номер|№|N)?\s*:?\s*)([A-ZА-Я]?\d[\d\s]{5,11})",
    re.I,
)
_PLACEHOLDER = re.compile(r"⟦([А-Я]+)(\d+)⟧")
_KINDS = ("ТЕЛ", "ПОЧТА", "КАРТА", "ИИН", "АДРЕС", "ИМЯ")


class Mask:
    """Placeholders of one call. ``names``: people the CRM and the channel know in this dialog."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._values: dict[str, str] = {}
        self._given: dict[tuple[str, str], str] = {}
        words = {word for name in names for word in re.findall(r"[^\W\d_]{2,}", visible(name))}
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
        """The text as it may leave the house."""
        text = visible(text).replace("⟦", "[").replace("⟧", "]")
        text = _EMAIL.sub(lambda m: self._put("ПОЧТА", m[0]), text)
        text = _PASSPORT.sub(lambda m: m[0].replace(m[1], self._put("ИИН", m[1])), text)
        text = _STREET.sub(lambda m: self._put("АДРЕС", m[0]), text)
        text = _DIGITS.sub(self._digits, text)
        for introduced in (_INTRODUCED, _CALLED):
            text = introduced.sub(lambda m: m["before"] + self._put("ИМЯ", m["name"]), text)
        if self._names is not None:
            text = self._names.sub(lambda m: self._put("ИМЯ", m[0]), text)
        return text

    def restore(self, text: str) -> str:
        """Values back in place of their placeholders; unknown placeholders vanish."""
        return _PLACEHOLDER.sub(lambda m: self._values.get(m[0], ""), text)

    def _put(self, kind: str, value: str) -> str:
        key = (kind, value.strip())
        if key not in self._given:
            number = sum(1 for known, _ in self._given if known == kind) + 1
            self._given[key] = f"⟦{kind}{number}⟧"
            self._values[self._given[key]] = value.strip()
        # spaces at the edges belong to the sentence, not to the value
        return value[: len(value) - len(value.lstrip())] + self._given[key] + value[len(value.rstrip()) :]

    def _digits(self, match: re.Match[str]) -> str:
        run = match[0]
        digits = re.sub(r"\D", "", run)
        if run.lstrip().startswith("+") and len(digits) >= 10:
            return self._put("ТЕЛ", run)
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


def _is_money(run: str) -> bool:
    groups = run.split()
    return len(groups) > 1 and all(len(group) == 3 for group in groups[1:])
