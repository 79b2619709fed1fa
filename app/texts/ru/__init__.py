"""The interface in Russian, the language of its people. Keys are the same in every language; plural forms are separated by ``|``."""

from __future__ import annotations

from app.texts.ru import everywhere, numbers, report, settings

RU: dict[str, str] = {**everywhere.WORDS, **numbers.WORDS, **report.WORDS, **settings.WORDS}
