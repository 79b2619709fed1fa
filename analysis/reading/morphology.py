"""Russian words by their dictionary form: what a sentence says, however its words are inflected.

«Обивка порвалась через 3 дня» becomes ``обивка порваться:past через # день``: dictionary forms in their order, the mood
and tense of verbs as a mark, numbers as ``#``. Patterns over such a line (:mod:`analysis.rules.phrases`) hold for every gender,
case and person at once. Forms come from pymorphy3 and its OpenCorpora dictionary, loaded once at first use (half a second,
about 30 MB); other languages pass unchanged. Input is folded (:func:`analysis.reading.normalisation.folded`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: a word, a number with its thousands and decimals, or a mark that parts clauses
_TOKEN = re.compile(r"\d+(?:[ \u00a0\u202f]\d{3})*(?:[.,]\d+)?|[^\W\d_]+(?:-[^\W\d_]+)*|[,;:()—–?]|-")
#: a longer run of letters is no word
_LONGEST = 30
#: words whose likeliest reading in a shop's chat is not the dictionary's likeliest
_OURS = {
    "дам": "дать:will1", "че": "что", "чо": "что", "чет": "что-то", "щас": "сейчас", "счас": "сейчас", "ща": "сейчас", "сто": "#", "пол": "половина",
    "пьяный": "пьяный", "ничего": "ничего", "больше": "больше:more", "меньше": "меньше:more", "выше": "выше:more", "ниже": "ниже:more",
    "уже": "уже", "есть": "есть", "нет": "нет", "почем": "почем", "дорого": "дорого", "долго": "долго", "много": "много", "криво": "криво",
    "такими": "такой", "счете": "счет", "счету": "счет", "счета": "счет", "мне": "я", "нашли": "найти:past", "пришли": "прийти:past", "замер": "замер", "разве": "разве", "раньше": "раньше", "дома": "дома", "течет": "течь:pres3",
}  # fmt: skip
#: how a verb of «я» or «мы» ends
_OWN_FUTURE = ("ю", "у", "юсь", "усь", "ем", "им", "емся", "имся")
_PERSONS = {"1per": "1", "2per": "2", "3per": "3"}


@dataclass(frozen=True)
class Tagged:
    """``line``: dictionary forms with a space at both ends; ``at``: for each place of the line, the place in the text."""

    line: str
    at: tuple[int, ...]

    def place(self, position: int) -> int:
        return self.at[min(position, len(self.at) - 1)] if self.at else 0


@lru_cache(maxsize=4096)
def tagged(text: str) -> Tagged:
    """The folded ``text`` by dictionary forms; commas and dashes stand alone, as they part clauses."""
    line, at = [" "], [0]
    previous = ""
    for match in _TOKEN.finditer(text):
        word = match[0]
        form = "#" if word[0].isdigit() else _form(word) if word[0].isalpha() else word
        if form == "#" == previous:
            continue
        previous = form
        line.append(form + " ")
        at += [match.start()] * (len(form) + 1)
    return Tagged("".join(line), tuple(at))


@lru_cache(maxsize=50_000)
def _form(word: str) -> str:
    if word in _OURS:
        return _OURS[word]
    if len(word) > _LONGEST or not is_russian_word(word):
        return word
    is_known = _analyzer().word_is_known(word)
    if not is_known and not word.endswith(_OWN_FUTURE):
        return word  # guessing takes a millisecond a word and gains nothing but verbs
    parses = _analyzer().parse(word)
    best = parses[0]
    if not is_known:
        # a word made up yesterday («сфоткаю», «маякну») is a verb more often than a name
        best = next((p for p in parses if p.tag.POS == "VERB"), best)
    elif best.tag.POS in ("ADJS", "PRTS"):
        # «перечислим», «заменим»: said of oneself, hardly ever «is replaceable»
        best = next((p for p in parses if p.tag.POS == "VERB" and p.tag.person == "1per"), best)
    tag = best.tag
    if tag.POS == "NUMR":
        return "#"
    lemma: str = best.normal_form.replace("ё", "е")
    return lemma + _mark(tag)


def _mark(tag: Any) -> str:
    """Tense and mood: past, will1–3, pres1–3, inf, imp, done (a passive participle), more (a comparative)."""
    match tag.POS:
        case "VERB" if tag.mood == "impr":
            return ":imp"
        case "VERB" if tag.tense == "past":
            return ":past"
        case "VERB":
            return (":will" if tag.tense == "futr" else ":pres") + _PERSONS.get(str(tag.person), "")
        case "INFN":
            return ":inf"
        case "PRTF" | "PRTS":
            return ":done" if tag.voice == "pssv" else ":past"
        case "COMP":
            return ":more"
    return ""


def is_russian_word(word: str) -> bool:
    """Letters of Russian alone; folded."""
    return all("а" <= char <= "я" or char == "-" for char in word)


@lru_cache(maxsize=1)
def _analyzer() -> Any:
    import pymorphy3

    return pymorphy3.MorphAnalyzer()


#: a reading of a word less likely than this is left out
_LIKELY = 0.1


def is_known(word: str) -> bool:
    """A folded word the dictionary has; one with letters no Russian word has is not to be guessed at either."""
    return not is_russian_word(word) or bool(_analyzer().word_is_known(word))


@lru_cache(maxsize=50_000)
def lemmas(word: str) -> frozenset[str]:
    """Every dictionary form a folded word may be of; the word itself where no dictionary has it."""
    if len(word) > _LONGEST or not is_russian_word(word) or not _analyzer().word_is_known(word):
        return frozenset((word,))
    parses = _analyzer().parse(word)
    likely = [parse for parse in parses if parse.score >= _LIKELY] or parses[:1]
    return frozenset(parse.normal_form.replace("ё", "е") for parse in likely)


#: names of people, and words that say when or how many
_NO_SUBJECT = frozenset(("Name", "Patr", "Surn", "Anum"))


@lru_cache(maxsize=50_000)
def subject(word: str) -> str:
    """The dictionary form of a folded word that says what is spoken of: a noun, an adjective, a verb, an unknown word; else empty."""
    if len(word) < 3 or not word.isalpha():
        return ""
    if not is_russian_word(word) or not _analyzer().word_is_known(word):
        return word
    parses = _analyzer().parse(word)
    # «проем» is a thing before it is a verb
    best = next((parse for parse in parses if parse.tag.POS == "NOUN" and parse.score >= _LIKELY), parses[0])
    if best.tag.POS not in ("NOUN", "ADJF", "VERB", "INFN") or _NO_SUBJECT & set(best.tag.grammemes):
        return ""
    lemma: str = best.normal_form.replace("ё", "е")
    return lemma


@lru_cache(maxsize=20_000)
def is_name(form: str) -> bool:
    """The dictionary form says what a thing is or which one: a noun, an adjective, a word no dictionary has."""
    if not is_russian_word(form) or not _analyzer().word_is_known(form):
        return True
    return _analyzer().parse(form)[0].tag.POS in ("NOUN", "ADJF")


#: how surnames no dictionary knows end
_SURNAME = re.compile(r"\w{2,40}(?:ов|ев|ин|ова|ева|ина|енко|ян|швили|улы|кызы|баи?|бек|хан|гуль|жан)$")


@lru_cache(maxsize=20_000)
def is_person(word: str) -> bool:
    """The word is a first name, a patronymic or a surname, as far as a dictionary or an ending tells."""
    if not 3 <= len(word) <= _LONGEST or not is_russian_word(word):
        return False
    if not _analyzer().word_is_known(word):
        return _SURNAME.fullmatch(word) is not None
    return any(mark in _analyzer().parse(word)[0].tag for mark in ("Name", "Surn", "Patr"))


_PERSON = frozenset(("Name", "Surn", "Patr"))
#: towns that are rare names too, in some case; in a chat it is the town
_TOWNS = frozenset(("астан", "алмат", "питер", "киров"))


@lru_cache(maxsize=50_000)
def person_share(word: str) -> float | None:
    """How likely a folded word of the dictionary is a name of a person, 0–1; ``None`` for a word it does not have."""
    if not 2 <= len(word) <= _LONGEST or not is_russian_word(word) or not _analyzer().word_is_known(word):
        return None
    parses = _analyzer().parse(word)
    named = [parse for parse in parses if _PERSON & set(parse.tag.grammemes) and parse.normal_form not in _TOWNS]
    # a river is a name first («Лена»)
    others = sum(parse.score for parse in parses if parse not in named and not (named and "Geox" in parse.tag))
    found = sum(parse.score for parse in named)
    return float(found / (found + others)) if named else 0.0
