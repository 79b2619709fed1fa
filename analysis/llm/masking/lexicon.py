"""What a word is, as far as names go: the dictionary's marks (Name, Surn, Patr), a list of names it lacks, and how names are made."""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Literal

from analysis.reading import morphology

#: ``sure``: only a name; ``maybe``: a name and a word besides («вера», «Арман»); ``surname``: looks like one; ``unknown``: no
#: dictionary has it; empty: a word
Kind = Literal["", "unknown", "surname", "maybe", "patronymic", "sure"]
#: the parts of «Ибрагим-бек»: the surest counts
_CERTAINTY: tuple[Kind, ...] = ("", "unknown", "surname", "maybe", "patronymic", "sure")
_PATRONYMIC = re.compile(
    r"[а-яё]{2,20}(?:(?:[оеё]вич|ьич|[^аеёиоуыэюя]ич)(?:а|у|ем|е|и|ей|ам|ами)?|(?:[оеё]вн+|ичн|иничн)(?:а|ы|е|у|ой|ою))"
)
#: ordinary words that end like a patronymic
_NO_PATRONYMIC = re.compile(
    r"(?:кирпич|калач|москвич|паралич|клич|плич|оприч|обычн|типичн|античн|логичн|практичн|личн|публичн|наличн|основн|духовн|верховн|церковн|чиновн|виновн|ровн|полюбовн|условн|готовн)"
)
#: Kazakh, with its own letters or typed without them: then only after a name of the list («ақаулы» is faulty)
_SON_OR_DAUGHTER = re.compile(
    r"(?P<father>[а-яёәғқңөұүһі]{3,20})(?:(?P<certain>ұл|қыз)|ул|кыз)(?:ы|ын)[а-яёәғқңөұүһі]{0,4}"
)
_SURNAME = re.compile(
    r"[а-яёәғқңөұүһі]{2,30}(?:[оеё]в|ин|[цшщчж]ын|ск(?:ий|ого|ому|им)|цк(?:ий|ого)|енко|швили|дзе|ян|баев|беков)(?:а|у|ой|ым|ых|е)?|[а-яё]{2,30}(?:ск|цк)(?:ая|ой|ую)"
)
#: how Kazakh and Uzbek names that no list has are made
_MADE = re.compile(
    r"[а-яёәғқңөұүһі]{3,16}(?:хан|бек|жан|гул|гуль|гүл|нур|нұр|мурат|мұрат|султан|сұлтан|булат|болат|гали|ғали|мирза|мырза|жамал|сауле|байка|ходжа|берди|кельды)(?:а|у|ом|ға|ге|га|ке|ка|ның|нің|ды|ді|ты|ті|мен|бен|пен)?"
)
_ENDINGS = (
    "", "а", "я", "у", "ю", "ом", "ем", "ой", "ей", "е", "ы", "и", "ға", "ге", "қа", "ке", "на", "не", "ның", "нің", "дың", "дің", "тың", "тің", "ны", "ні", "ды", "ді", "ты", "ті", "мен",
    "пен", "бен", "нан", "нен", "дан", "ден", "тан", "тен", "да", "де", "та", "те", "мын", "мін", "бын", "бін", "пын", "пін", "га", "ка", "га", "дікі", "тікі", "нікі", "чик", "чика", "ушка", "еке", "жан", "жанға",
)  # fmt: skip
_LATIN = (
    ("shch", "щ"), ("zh", "ж"), ("kh", "х"), ("ch", "ч"), ("sh", "ш"), ("ya", "я"), ("yu", "ю"), ("yo", "е"), ("ts", "ц"), ("ai", "ай"), ("ei", "ей"), ("oi", "ой"), ("ui", "уй"), ("ay", "ай"), ("ey", "ей"), ("oy", "ой"), ("iya", "ия"), ("ia", "ия"), ("a", "а"), ("b", "б"), ("v", "в"), ("g", "г"),
    ("d", "д"), ("e", "е"), ("z", "з"), ("i", "и"), ("y", "ы"), ("k", "к"), ("l", "л"), ("m", "м"), ("n", "н"), ("o", "о"), ("p", "п"), ("r", "р"), ("s", "с"), ("t", "т"), ("u", "у"),
    ("f", "ф"), ("h", "х"), ("j", "ж"), ("q", "к"), ("w", "в"), ("x", "х"), ("c", "к"),
)  # fmt: skip
_KAZAKH = str.maketrans("әғқңөұүһі", "агкноуухи")


@lru_cache
def words(name: str) -> frozenset[str]:
    """A set of ``words.toml``."""
    return frozenset(_sets()[name].split())


@lru_cache(maxsize=1)
def _sets() -> dict[str, str]:
    return tomllib.loads((Path(__file__).parent / "words.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _listed() -> dict[str, Kind]:
    """``names.txt``: the bare name → ``sure``, or ``maybe`` for one that is a word besides (with «?»)."""
    lines = (Path(__file__).parent / "names.txt").read_text(encoding="utf-8").split()
    return {bare(line.rstrip("?")): "maybe" if line.endswith("?") else "sure" for line in lines}


def bare(word: str) -> str:
    """In the letters of Russian and without soft signs: «Гүлнұр», «Гульнур» and «Gulnur» are one."""
    return word.translate(_KAZAKH).replace("ь", "").replace("ъ", "")


@lru_cache(maxsize=50_000)
def kind(word: str) -> Kind:
    """What a folded word is; one in Latin letters is read as if typed in Cyrillic."""
    if word.isascii():
        # a word in Latin letters may be a brand: a name must be listed, or be made like one
        found = kind(_in_cyrillic(word))
        return "" if found == "unknown" else found
    if "-" in word:
        return max((kind(part) for part in word.split("-") if part), key=_CERTAINTY.index, default="")
    if len(word) < 3 and word not in ("ян", "ли", "ия"):
        return ""
    if word in words("no_names") or word.translate(_KAZAKH) in words("kazakh_words"):
        return ""
    if word in words("names_second"):
        return "maybe"
    if _PATRONYMIC.fullmatch(word) and not _NO_PATRONYMIC.match(word):
        return "patronymic"
    child = _SON_OR_DAUGHTER.fullmatch(word)
    if child and (child["certain"] or bare(child["father"]) in _listed()):
        return "patronymic"
    share = morphology.person_share(word) if morphology.is_russian_word(word) else None
    if share == 0.0:
        # a word of the dictionary that is nobody's: of the list only as it stands («Арман»)
        return "maybe" if bare(word) in _listed() else ""
    if found := _declined(bare(word)):
        return found
    if share is not None:
        return "sure" if share > 0.95 else "maybe" if share > 0.1 else ""
    return "sure" if _MADE.fullmatch(word) else "surname" if _SURNAME.fullmatch(word) else "unknown"


def _declined(word: str) -> Kind:
    """A name of the list in one of its cases, Russian or Kazakh."""
    for ending in _ENDINGS:
        base = word.removesuffix(bare(ending)) if ending else word
        if len(base) >= 3 and (not ending or base != word):
            for whole in (base, base + "а", base + "я"):
                if found := _listed().get(whole):
                    return found
    return ""


def _in_cyrillic(word: str) -> str:
    for latin, letter in _LATIN:
        word = word.replace(latin, letter)
    return word
