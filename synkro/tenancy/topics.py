"""What clients ask about: the topics of a company, kept as a pack of the product and the company's own list.

A company that changed nothing follows its pack when the product changes it. Each change of a list is a new version with
author and time: readings made by an earlier list are compared with the one in force (``analysis/report/dialogs.py``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from synkro.core import clock
from synkro.core.errors import DataError
from synkro.database import db

#: what no topic covers; the key is no topic's
OTHER = "other"
#: the pack of a company that has chosen none
CORE = "core"

MOST_TOPICS = 40
MOST_WORDS = 120
MOST_EXAMPLES = 10
_LONGEST_NAME = 60
_LONGEST_EXAMPLE = 120
_KEY = re.compile(r"[a-z][a-z0-9_]{1,39}")
#: a phrase of at most six words; a star ends a word that may go on
_PHRASE = re.compile(r"(?:[^\W_]+(?:-[^\W_]+)*\*?)(?: [^\W_]+(?:-[^\W_]+)*\*?){0,5}")
_SHORTEST_STEM = 3


@dataclass(frozen=True)
class Topic:
    """``words`` and ``unless``: dictionary forms and phrases of them; one of ``unless`` in a sentence takes the topic off it."""

    key: str
    name: str
    words: tuple[str, ...]
    name_en: str = ""
    unless: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def called(self, language: str) -> str:
        return self.name_en if language == "en" and self.name_en else self.name


@dataclass(frozen=True)
class TopicList:
    """What is stored of a company. ``topics`` None: as the pack has them; ``version`` 0: nothing was ever chosen."""

    pack: str = CORE
    topics: tuple[Topic, ...] | None = None
    version: int = 0


# --- what a list may hold ---------------------------------------------------------------------------------


def check(topics: Sequence[Topic]) -> tuple[Topic, ...]:
    """The list with its texts trimmed; raises :class:`DataError` naming the topic, the field and the cure."""
    if not topics:
        raise DataError("topics: список пуст. Оставьте хотя бы одну тему или вернитесь к набору.")
    if len(topics) > MOST_TOPICS:
        raise DataError(f"topics: тем {len(topics)}, можно не больше {MOST_TOPICS}. Удалите лишние или объедините.")
    found: list[Topic] = []
    keys: set[str] = set()
    names: set[str] = set()
    for topic in topics:
        one = checked(topic)
        if one.key in keys:
            raise DataError(f"key: ключ темы «{one.key}» повторяется. У каждой темы свой ключ.")
        if one.name.lower() in names:
            raise DataError(
                f"name: тема «{one.name}» уже есть. Дайте другое название или объедините обе темы.", detail=one.key
            )
        keys.add(one.key)
        names.add(one.name.lower())
        found.append(one)
    return tuple(found)


def checked(topic: Topic) -> Topic:
    """One topic by itself; raises :class:`DataError` that begins with the field."""
    if not _KEY.fullmatch(topic.key) or topic.key == OTHER:
        raise DataError(f"key: «{topic.key}» не подходит. Нужны строчные латинские буквы, цифры и «_», но не {OTHER}.")
    name, name_en = (_name(field, text) for field, text in (("name", topic.name), ("name_en", topic.name_en)))
    if not name:
        raise DataError("name: название пустое. Напишите, как называется тема, например «Доставка».")
    words = _phrases("words", topic.words)
    if not words:
        raise DataError(f"words: у темы «{name}» нет слов. Укажите хотя бы одно слово или фразу, например «доставка».")
    return Topic(topic.key, name, words, name_en, _phrases("unless", topic.unless), _examples(topic.examples))


def _name(field: str, text: str) -> str:
    text = " ".join(text.split())
    if len(text) > _LONGEST_NAME:
        raise DataError(f"{field}: название длиннее {_LONGEST_NAME} знаков. Сократите его.")
    if text and (not _is_plain(text) or not any(char.isalpha() for char in text)):
        raise DataError(
            f"{field}: «{text}» не подходит. Нужен текст с буквами, без знаков < > {{ }} и кавычек-апострофов."
        )
    return text


def _phrases(field: str, words: Sequence[str]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for word in words:
        phrase = " ".join(word.lower().replace("ё", "е").split())
        if not phrase:
            continue
        shown = phrase[:60]
        if len(phrase) > 60 or not _PHRASE.fullmatch(phrase):
            raise DataError(
                f"{field}: «{shown}» не подходит. Нужно слово или фраза до шести слов из букв и цифр; звёздочка — только в конце слова."
            )
        if any(len(part) <= _SHORTEST_STEM for part in phrase.split() if part.endswith("*")):
            raise DataError(
                f"{field}: «{shown}» слишком коротко: перед звёздочкой нужно не меньше {_SHORTEST_STEM} букв."
            )
        if len(phrase) < 2:
            raise DataError(f"{field}: «{shown}» — одна буква. Напишите слово целиком.")
        found[phrase] = None
    if len(found) > MOST_WORDS:
        raise DataError(f"{field}: слов {len(found)}, можно не больше {MOST_WORDS}. Уберите редкие.")
    return tuple(found)


def _examples(examples: Sequence[str]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(text for example in examples if (text := " ".join(example.split()))))
    if len(found) > MOST_EXAMPLES:
        raise DataError(f"examples: примеров {len(found)}, можно не больше {MOST_EXAMPLES}. Оставьте самые частые.")
    for text in found:
        if len(text) > _LONGEST_EXAMPLE or not _is_plain(text):
            raise DataError(
                f"examples: «{text[:60]}» не подходит. Нужна одна фраза до {_LONGEST_EXAMPLE} знаков, без знаков < > {{ }}."
            )
    return found


def _is_plain(text: str) -> bool:
    """No markup: the text stands in a model's instructions."""
    return text.isprintable() and not set(text) & set("`<>{}")


# --- as it is stored --------------------------------------------------------------------------------------


def to_json(topics: Sequence[Topic]) -> list[dict[str, Any]]:
    return [asdict(topic) for topic in topics]


def from_json(raw: Sequence[Mapping[str, Any]]) -> tuple[Topic, ...]:
    return tuple(
        Topic(
            one["key"], one["name"], tuple(one["words"]), one.get("name_en", ""), tuple(one.get("unless", ())), tuple(one.get("examples", ())),
        )
        for one in raw
    )  # fmt: skip


def current(connection: db.Connection, tenant_id: UUID) -> TopicList:
    """The list in force; of a company that chose none, the core."""
    return next(iter(history(connection, tenant_id, 1)), TopicList())


def history(connection: db.Connection, tenant_id: UUID, limit: int) -> list[TopicList]:
    """The lists there were, newest first."""
    rows = connection.execute(
        "select pack, topics, version from synkro.topic_lists where tenant_id = %s order by version desc limit %s",
        (tenant_id, limit),
    )
    return [
        TopicList(row["pack"], None if row["topics"] is None else from_json(row["topics"]), row["version"])
        for row in rows
    ]


def save(
    connection: db.Connection,
    tenant_id: UUID,
    pack: str,
    topics: Sequence[Topic] | None,
    *,
    after: int,
    actor: UUID | None = None,
) -> TopicList:
    """A new version instead of ``after``, which the person saw; raises :class:`DataError` if there is a newer one."""
    checked_topics = None if topics is None else check(topics)
    if current(connection, tenant_id).version != after:
        raise DataError("Темы только что изменил другой человек. Обновите страницу и повторите.")
    try:
        connection.execute(
            "insert into synkro.topic_lists (tenant_id, version, pack, topics, created_by, created_at)"
            " values (%s, %s, %s, %s, %s, now() + %s)",
            (
                tenant_id,
                after + 1,
                pack,
                None if checked_topics is None else Jsonb(to_json(checked_topics)),
                actor,
                clock.offset(),
            ),
        )
    except psycopg.errors.UniqueViolation:
        raise DataError("Темы только что изменил другой человек. Обновите страницу и повторите.") from None
    return TopicList(pack, checked_topics, after + 1)
