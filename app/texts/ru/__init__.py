"""The interface in Russian, the language of its people. Keys are the same in every language; plural forms are separated by ``|``."""

from __future__ import annotations

from app.texts.ru import everywhere, report, settings

RU: dict[str, str] = {**everywhere.WORDS, **report.WORDS, **settings.WORDS}
