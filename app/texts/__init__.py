"""Every word of the interface, in two languages; the reports themselves stay Russian.

``t("reports.title")`` speaks the language of the person: middleware sets it for a request and for the socket of an
open page, :func:`speaking` for everything else. A test keeps the keys of the languages equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from app.texts.en import EN
from app.texts.ru import RU

LANGUAGES: dict[str, dict[str, str]] = {"ru": RU, "en": EN}
NAMES = {"ru": "Русский", "en": "English"}

_language: ContextVar[str] = ContextVar("language", default="ru")


def language() -> str:
    """The language spoken here: ``ru`` or ``en``."""
    return _language.get()


def speak(code: str | None) -> None:
    """Speak this language for the rest of the request (or of the socket's life)."""
    _language.set(code if code in LANGUAGES else "ru")


@contextmanager
def speaking(code: str) -> Iterator[None]:
    token = _language.set(code if code in LANGUAGES else "ru")
    try:
        yield
    finally:
        _language.reset(token)


def t(key: str, **values: object) -> str:
    """The text in the language of the person; a missing key is a defect and raises ``KeyError``."""
    text = LANGUAGES[language()][key]
    return text.format(**values) if values else text


def known(key: str) -> bool:
    return key in RU
