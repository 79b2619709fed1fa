"""Text on its way in and out: invisible characters, one spelling for comparing, one line for showing.

Pure functions. What clients write and what a model answers are both untrusted.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from synkro.core import phones

#: zero-width and joiners, soft hyphen, bidi controls, variation selectors, byte order mark, the Tags block,
#: interlinear marks, invisible operators, Hangul and Mongolian fillers: nobody sees them, a model does
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"\s+")
_QUOTES = str.maketrans(dict.fromkeys("«»„“”‟‹›\"'`´‘’‚‛＂＇", '"'))
_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−﹘﹣－", "-"))
_LINK = re.compile(
    r"https?:|www\.|t\.me/|\]\(|!\[|<\s*/?\s*[a-z!]|\b[\w-]+\.(?:ru|com|kz|net|org|io|me|info|xyz)\b", re.I
)
#: what a messenger would make a link of: an address, a bare domain, a mention; a file's name is none
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,15}:(?://)?|\bwww\.|\bt\.me/)(?=[^\s:])[^\s\"'«»<>()\[\]]{0,200}[/.@?=][^\s\"'«»<>()\[\]]{0,2000}"
    r"|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,8}(?!(?:pdf|jpe?g|png|docx?|xlsx?|mp[34]|ogg|zip|rar)\b)[a-z]{2,24}\b(?:[/:?#][^\s\"'«»<>()\[\]]{0,2000})?"
    r"|(?<![\w@.-])[а-я0-9-]{1,63}\.(?:рф|рус)\b\S{0,2000}|(?<![\w.])@[a-z]\w{3,63}",
    re.I,
)
_CYRILLIC = re.compile(r"[а-яёәғқңөұүһі]", re.I)
_LETTER = re.compile(r"[^\W\d_]")


def visible(text: str) -> str:
    """The text without characters that are there only for machines; line breaks stay."""
    return _CONTROL.sub(" ", _INVISIBLE.sub("", text))


@lru_cache(maxsize=512)
def plain(text: str) -> str:
    """One spelling for word-for-word comparing: NFKC, single spaces, one kind of quote mark and of dash.

    Letters, their case and punctuation are left as they are: nothing here is fuzzy.
    """
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))  # NFKC may itself bring an invisible filler out
    return _SPACES.sub(" ", text.translate(_QUOTES).translate(_DASHES)).strip()


def folded(text: str) -> str:
    """Lower case with ё as е, of the same length as ``text``: a match here is a place there."""
    lowered = text.lower()
    if len(lowered) != len(text):
        # a letter whose small form is longer, as the Turkish İ
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lowered.replace("ё", "е")


def one_line(text: str, limit: int) -> str:
    """Shortened at a word to ``limit`` characters, on one line."""
    text = _SPACES.sub(" ", visible(text)).strip()
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    return (cut[: cut.rfind(" ")] if " " in cut[limit // 2 :] else cut).rstrip(" ,.;:–—-") + "…"


def shown(text: str, limit: int) -> str:
    """Somebody's words inside a sentence of ours: one line, phones cut, links named and not given.

    A messenger turns every address into a link by itself; the claim keeps the words as they stand.
    """
    return one_line(phones.mask_in(_ADDRESS.sub("[ссылка]", visible(text))), limit)


def has_link(text: str) -> bool:
    """A link, an image, markup or a bare domain: never shown when a model wrote it."""
    return _LINK.search(text) is not None


#: Павел, Павла: the last vowel goes when an ending comes
_FLEETING = re.compile(r"(.{2,60})[еёо]([лцкнр])", re.I)
_ENDING = "[а-яёәғқңөұүһі]"


def name_stem(word: str) -> str:
    """A pattern for a name and its cases, е and ё alike: Айгерим(а), Асел(ь|и), Мари(я|и|ю), Пав(ел|ла), Ц(ой|оя)."""
    is_short = len(word) < 3 or (len(word) == 3 and word[-1].lower() != "й")
    base = word[:-1] if not is_short and word[-1].lower() in "аяьйыиеоу" else word
    stem = _any_yo(base) + _ENDING + "{0,3}"
    if fleeting := _FLEETING.fullmatch(word):
        return f"(?:{stem}|{_any_yo(fleeting[1] + fleeting[2])}{_ENDING}{{1,3}})"
    return stem


def _any_yo(text: str) -> str:
    return re.sub("[её]", "[её]", re.escape(text), flags=re.I)


def is_russian(text: str) -> bool:
    """Most letters are Cyrillic (Kazakh included)."""
    letters = _LETTER.findall(text)
    return bool(letters) and len(_CYRILLIC.findall(text)) >= 0.7 * len(letters)
