"""Which passwords we accept, for accounts of both keepers: long enough, and not what is guessed first.

zxcvbn estimates the guesses a password takes, with lists of leaked passwords, words, names, dates and keyboard walks. It knows
nothing Russian, so a password with Cyrillic letters is judged a second time as the keys it is typed with: «пароль» is the
leaked ``gfhjkm``, «йцукен» is ``qwerty``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import Any

from synkro.accounts import hashing
from synkro.core.errors import DataError
from synkro.core.settings import settings

MIN_PASSWORD = 12
MAX_PASSWORD = 128
#: Supabase Auth keeps bcrypt, which looks at no byte beyond this one
MAX_BYTES_AT_SUPABASE = 72
#: log10 of the guesses a password has to take; «Summer2026!!!» takes 8.6
MIN_GUESSES = 9.0
#: zxcvbn takes seconds for long ones full of digits and signs (7 s for 128 characters, a second for 40). The start is judged
#: first: what is strong so far is no weaker with more behind it.
_START, _JUDGED = 24, 40
#: letters and digits that have to be there besides the words a guesser knows of the account
_OWN = 6
#: what Russian passwords are made of most and no list of zxcvbn has
_RUSSIAN = (
    "пароль привет любовь солнце наташа настя андрей алексей сергей дмитрий максим марина светлана елена ольга"
    " екатерина александр владимир виктория кристина зайка котенок ангел счастье жизнь семья мама папа дети россия москва"
    " казахстан алматы астана шымкент караганда ташкент бишкек қазақстан спартак зенит динамо футбол машина менеджер продажи"
    " компания директор админ администратор январь февраль март апрель июнь июль август сентябрь октябрь ноябрь декабрь"
    " лето зима весна осень понедельник kazakhstan qazaqstan almaty astana"
)

#: why a password is refused; the interface has the same keys (``weak.…``) in its languages
REASONS = {
    "short": f"Пароль короче {MIN_PASSWORD} знаков. Возьмите фразу из нескольких слов.",
    "long": f"Пароль длиннее {MAX_PASSWORD} знаков. Сократите его.",
    "long_bytes": f"Пароль длиннее {MAX_BYTES_AT_SUPABASE} байт (русская буква — два). Сократите его.",
    "common": "Такой пароль есть в списках, по которым подбирают. Возьмите фразу из нескольких слов.",
    "personal": "Пароль похож на вашу почту, имя или название компании. Возьмите фразу из нескольких слов.",
    "repeat": "В пароле повторяется одно и то же. Возьмите фразу из нескольких слов.",
    "sequence": "Пароль — ряд знаков подряд, его подбирают первым. Возьмите фразу из нескольких слов.",
    "keyboard": "Пароль — ряд соседних клавиш, его подбирают первым. Возьмите фразу из нескольких слов.",
    "date": "Пароль — дата, её подбирают быстро. Возьмите фразу из нескольких слов.",
    "word": "Одно-два частых слова подбирают быстро. Добавьте ещё несколько слов.",
    "guessable": "Такой пароль подбирают быстро. Возьмите фразу из нескольких слов.",
}
_CYRILLIC = "йцукенгшщзхъфывапролджэячсмитьбюё"
_KEYS = str.maketrans(
    _CYRILLIC + _CYRILLIC.upper(), "qwertyuiop[]asdfghjkl;'zxcvbnm,.`" + 'QWERTYUIOP{}ASDFGHJKL:"ZXCVBNM<>~'
)
#: letters as passports and addresses of sites write them
_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        "a b v g d e e zh z i y k l m n o p r s t u f h ts ch sh sch _ y _ e yu ya".replace("_", "").split(" "),
        strict=True,
    )
)


class WeakPassword(DataError):
    """``reason``: a key of :data:`REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


def check_password(password: str, about: Collection[str] = ()) -> str:
    """Raises :class:`WeakPassword` that says what is wrong.

    ``about``: what a guesser knows of the account: its e-mail, the person's name, the names of their companies.
    """
    if len(password) < MIN_PASSWORD:
        raise WeakPassword("short")
    if len(password) > MAX_PASSWORD:
        raise WeakPassword("long")
    if settings().supabase_url and len(password.encode()) > MAX_BYTES_AT_SUPABASE:
        raise WeakPassword("long_bytes")
    if len(set(password)) < 4:
        raise WeakPassword("repeat")
    # off the threads that serve pages
    if reason := hashing.in_pool(lambda: _weakness(password, _known(about))):
        raise WeakPassword(reason)
    return password


def _known(about: Collection[str]) -> list[str]:
    """The words a guesser starts with, as they stand, without gaps, and in Latin letters."""
    known = {"synkro", "синкро"}
    for text in about:
        lowered = text.lower()[:200]
        parts = [part for part in re.split(r"[\W_]+", lowered) if len(part) > 2]
        known |= {lowered, "".join(parts), *parts[:20]}
    known |= {"".join(_LATIN.get(letter, letter) for letter in word) for word in known}
    return sorted(word for word in known if len(word) > 2)


def _weakness(password: str, known: list[str]) -> str | None:
    from zxcvbn import zxcvbn

    rest = password.lower()
    for word in sorted(known, key=len, reverse=True):
        rest = rest.replace(word, "") if len(word) > 3 else rest
    if len(re.sub(r"[\W_]", "", rest)) < min(_OWN, len(re.sub(r"[\W_]", "", password))):
        return "personal"
    # «ё» stands outside the order of the alphabet
    password = password.replace("ё", "е").replace("Ё", "Е")
    words = [*known, *_RUSSIAN.split()]
    readings = [(password, words)]
    if (as_keys := password.translate(_KEYS)) != password:
        readings.append((as_keys, [word.translate(_KEYS) for word in words]))
    for text, inputs in readings:
        for length in (_START, _JUDGED):
            found = zxcvbn(text[:length], user_inputs=inputs, max_length=_JUDGED)
            if found["guesses_log10"] >= MIN_GUESSES:
                break
            if len(text) <= length or length == _JUDGED:
                return _reason(found["sequence"], inputs[: len(known)])
    return None


def _reason(parts: list[dict[str, Any]], personal: list[str]) -> str:
    """By the longest part that is no mere noise."""
    patterned = [part for part in parts if part["pattern"] != "bruteforce"]
    if not patterned:
        return "guessable"
    part = max(patterned, key=lambda part: len(part["token"]))
    if part["pattern"] == "dictionary":
        if part["dictionary_name"] == "user_inputs":
            return "personal" if part["matched_word"] in personal else "common"
        return "common" if part["dictionary_name"] == "passwords" else "word"
    named = {"repeat": "repeat", "sequence": "sequence", "spatial": "keyboard", "date": "date", "regex": "date"}
    return named.get(part["pattern"], "guessable")


def one_time_password() -> str:
    """Made by us, shown once, changed at the first sign-in; all four classes of characters, as a project may demand."""
    return "-".join(secrets.token_hex(2) for _ in range(4)) + f"-{secrets.choice('BDFGHJKLMN')}{secrets.randbelow(10)}"
