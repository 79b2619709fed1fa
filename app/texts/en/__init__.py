"""The interface in English. Keys are the same in every language; plural forms are separated by ``|``."""

from __future__ import annotations

from app.texts.en import everywhere, numbers, report, settings

EN: dict[str, str] = {**everywhere.WORDS, **numbers.WORDS, **report.WORDS, **settings.WORDS}
