"""Packs of topics, one file a trade (``packs/*.toml``): the general topics, and what the trade is asked about besides.

A topic of a pack with the key of a general one adds its words to it and may give it another name.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from analysis.topics.catalogue import Catalogue
from synkro.core.errors import ConfigurationError, DataError
from synkro.database import db
from synkro.tenancy import topics
from synkro.tenancy.topics import CORE, Topic, TopicList

FOLDER = Path(__file__).parent / "packs"
log = logging.getLogger(__name__)
#: a list older than so many changes is forgotten
_EARLIER = 6
_TEXTS, _LISTS = ("name", "name_en"), ("words", "unless", "examples")


@dataclass(frozen=True)
class Pack:
    """``key`` is the name of its file."""

    key: str
    name: str
    name_en: str
    catalogue: Catalogue

    def called(self, language: str) -> str:
        return self.name_en if language == "en" else self.name


@lru_cache(maxsize=1)
def names() -> tuple[str, ...]:
    """Keys of the packs: the general one, then the trades by alphabet."""
    return (CORE, *sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem != CORE))


@lru_cache(maxsize=32)
def pack(key: str) -> Pack:
    """A pack of the product; raises :class:`DataError` naming those there are."""
    if key not in names():
        raise DataError(f"Набора тем «{key[:40]}» нет. Есть: {', '.join(names())}.")
    general = () if key == CORE else pack(CORE).catalogue.topics
    return load(FOLDER / f"{key}.toml", general)


def load(path: Path, general: tuple[Topic, ...] = ()) -> Pack:
    """The pack of one file; raises :class:`ConfigurationError` naming the file, the topic and what is wrong."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"Набор тем {path.name} не читается: {error}") from None
    if unknown := set(raw) - {"name", "name_en", "topics"}:
        raise ConfigurationError(f"Набор тем {path.name}: неизвестные поля {', '.join(sorted(unknown))}.")
    titles = {field: raw.get(field) for field in _TEXTS}
    if not all(isinstance(title, str) and title.strip() for title in titles.values()):
        raise ConfigurationError(f"Набор тем {path.name}: нужны name и name_en — название по-русски и по-английски.")
    tables = raw.get("topics")
    if not isinstance(tables, dict) or not tables:
        raise ConfigurationError(f"Набор тем {path.name}: нет ни одной темы. Нужны таблицы [topics.КЛЮЧ].")
    found = {topic.key: topic for topic in general}
    for key, table in tables.items():
        found[key] = _topic(path.name, key, table, found.get(key))
    try:
        return Pack(
            path.stem, str(titles["name"]), str(titles["name_en"]), Catalogue(topics.check(tuple(found.values())))
        )
    except DataError as error:
        raise ConfigurationError(f"Набор тем {path.name}: {error.message}") from None


def _topic(file: str, key: str, table: Any, general: Topic | None) -> Topic:
    where = f"Набор тем {file}, тема {key}"
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{where}: нужна таблица с полями {', '.join((*_TEXTS, *_LISTS))}.")
    if unknown := set(table) - {*_TEXTS, *_LISTS}:
        raise ConfigurationError(f"{where}: неизвестные поля {', '.join(sorted(unknown))}.")
    for field in _TEXTS:
        if not isinstance(table.get(field, ""), str):
            raise ConfigurationError(f"{where}, поле {field}: нужна строка.")
        if general is None and not table.get(field, "").strip():
            raise ConfigurationError(f"{where}, поле {field}: название пустое.")
    for field in _LISTS:
        listed = table.get(field, [])
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise ConfigurationError(f"{where}, поле {field}: нужен список строк.")
    words, unless, examples = (tuple(table.get(field, ())) for field in _LISTS)
    name, name_en = table.get("name", ""), table.get("name_en", "")
    if general is not None:
        # the trade's own first: a model is told the first of them
        words, unless, examples = (*words, *general.words), (*general.unless, *unless), (*examples, *general.examples)
        name, name_en = name or general.name, name_en or general.name_en
    try:
        return topics.checked(Topic(key, name, words, name_en, unless, examples))
    except DataError as error:
        raise ConfigurationError(f"{where}, поле {error.message}") from None


def resolve(chosen: TopicList) -> Catalogue:
    """The topics of a stored list; a pack the product no longer has is the general one."""
    if chosen.topics is not None:
        return Catalogue(chosen.topics)
    if chosen.pack not in names():
        log.warning("no pack of topics named %s: the general one is used", chosen.pack)
        return pack(CORE).catalogue
    return pack(chosen.pack).catalogue


def earlier(connection: db.Connection, tenant_id: UUID) -> tuple[Catalogue, ...]:
    """The lists a company had before the one it has, newest first; a company begins with the general topics."""
    lists = topics.history(connection, tenant_id, _EARLIER + 1)
    if lists and lists[-1].version == 1:
        lists.append(TopicList())
    return tuple(resolve(one) for one in lists[1 : _EARLIER + 1])


def of_company(connection: db.Connection, tenant_id: UUID) -> Catalogue:
    """The topics of a company as they are now."""
    return resolve(topics.current(connection, tenant_id))
