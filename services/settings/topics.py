"""Topics of a company: which pack it took, its own list, and the questions of the last report no topic covers.

For administrators of the company: :class:`~services.access.Forbidden` for its other people. Each change is audited as
``topics.changed``; it raises :class:`DataError` when somebody else saved another version meanwhile.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from analysis import topics as known
from analysis.reading.normalisation import folded
from analysis.topics import Catalogue, Pack
from analysis.topics.catalogue import WORDS_TOLD
from analysis.topics.matching import matcher
from services import access
from services.access import Viewer
from services.reports.view import claims_at
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.reporting import reports
from synkro.tenancy import topics
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.topics import CORE, Topic, TopicList

_SEPARATORS = re.compile(r"[,;\n]")
#: of each of two topics that become one
_TOLD = WORDS_TOLD // 2


@dataclass(frozen=True)
class Uncovered:
    """Questions that share ``words``, as the last report has them; ``claims`` hold their quotes."""

    words: tuple[str, ...]
    count: int
    claims: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class TopicsView:
    tenant: Tenant
    chosen: TopicList
    pack: Pack
    packs: tuple[Pack, ...]
    catalogue: Catalogue
    #: questions without a topic of the last report; those that have one by now are left out
    uncovered: tuple[Uncovered, ...]

    @property
    def is_own(self) -> bool:
        """The list differs from the pack."""
        return self.chosen.topics is not None


def load(who: Viewer, slug: str) -> TopicsView:
    """Everything the page of topics shows."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        chosen = topics.current(connection, tenant.tenant_id)
        catalogue = known.resolve(chosen)
        return TopicsView(
            tenant=tenant,
            chosen=chosen,
            pack=_pack(chosen),
            packs=tuple(known.pack(name) for name in known.names()),
            catalogue=catalogue,
            uncovered=_uncovered(connection, tenant.tenant_id, catalogue),
        )


def _pack(chosen: TopicList) -> Pack:
    """The pack that was taken; the general one where the product no longer has it."""
    return known.pack(chosen.pack if chosen.pack in known.names() else CORE)


def _uncovered(connection: db.Connection, tenant_id: UUID, catalogue: Catalogue) -> tuple[Uncovered, ...]:
    report = next(iter(reports.recent(connection, tenant_id, limit=1)), None)
    uncovered = report.body.uncovered if report else None
    look = matcher(catalogue)
    found = []
    for group in uncovered.groups if uncovered else ():
        claims = tuple(claims_at(report, group.claims)) if report else ()
        if not claims or not all(look.find(folded(claim["quote"])) for claim in claims):
            found.append(Uncovered(tuple(group.words), group.count, claims))
    return tuple(found)


# --- changes ----------------------------------------------------------------------------------------------


def choose(who: Viewer, slug: str, pack: str, after: int) -> TopicList:
    """Take a pack as it is; the company's own changes go. ``after``: the version the person saw."""
    known.pack(pack)
    return _save(who, slug, after, lambda chosen: (pack, None), {"pack": pack})


@dataclass(frozen=True)
class Typed:
    """A topic as a person typed it: ``words`` and ``unless`` by commas or lines, ``examples`` by lines."""

    name: str
    words: str
    unless: str = ""
    examples: str = ""

    def over(self, topic: Topic) -> Topic:
        """The topic with these texts; another name has no English one."""
        name = " ".join(self.name.split())
        return replace(
            topic,
            name=name,
            name_en=topic.name_en if name == topic.name else "",
            words=tuple(_SEPARATORS.split(self.words)),
            unless=tuple(_SEPARATORS.split(self.unless)),
            examples=tuple(self.examples.splitlines()),
        )


def put(who: Viewer, slug: str, key: str | None, typed: Typed, after: int) -> TopicList:
    """Change a topic, or add one for None; raises :class:`DataError` that begins with the field."""

    def change(chosen: TopicList) -> tuple[str, Sequence[Topic]]:
        before = known.resolve(chosen)
        if key is None:
            # never the key of a topic that was removed: old readings still name it
            return chosen.pack, (*before.topics, typed.over(Topic(f"own_{secrets.token_hex(4)}", "", ())))
        old = _topic(before, key)
        return chosen.pack, [typed.over(old) if topic is old else topic for topic in before.topics]

    return _save(who, slug, after, change, {"topic": key or "new", "name": typed.name[:60]})


def remove(who: Viewer, slug: str, key: str, after: int) -> TopicList:
    """What it covered is «other» from the next report on."""

    def change(chosen: TopicList) -> tuple[str, Sequence[Topic]]:
        before = known.resolve(chosen)
        gone = _topic(before, key)
        return chosen.pack, [topic for topic in before.topics if topic is not gone]

    return _save(who, slug, after, change, {"removed": key})


def merge(who: Viewer, slug: str, key: str, into: str, after: int) -> TopicList:
    """The words and examples of one topic go to another, and the first is gone."""

    def change(chosen: TopicList) -> tuple[str, Sequence[Topic]]:
        before = known.resolve(chosen)
        gone, kept = _topic(before, key), _topic(before, into)
        if gone is kept:
            raise DataError("into: выберите другую тему.")
        joined = replace(
            kept,
            # the first words are told to a model: some of both
            words=tuple(dict.fromkeys((*kept.words[:_TOLD], *gone.words[:_TOLD], *kept.words, *gone.words))),
            unless=tuple(dict.fromkeys((*kept.unless, *gone.unless))),
            examples=tuple(dict.fromkeys((*kept.examples, *gone.examples)))[: topics.MOST_EXAMPLES],
        )
        return chosen.pack, [joined if topic is kept else topic for topic in before.topics if topic is not gone]

    return _save(who, slug, after, change, {"merged": key, "into": into})


def extend(who: Viewer, slug: str, key: str, words: Sequence[str], after: int) -> TopicList:
    """Add words to the head of a topic: the questions without a topic that hold one of them are its own from now on."""

    def change(chosen: TopicList) -> tuple[str, Sequence[Topic]]:
        before = known.resolve(chosen)
        old = _topic(before, key)
        new = replace(old, words=(*words, *old.words))
        return chosen.pack, [new if topic is old else topic for topic in before.topics]

    return _save(who, slug, after, change, {"topic": key, "words": list(words)})


def _topic(catalogue: Catalogue, key: str) -> Topic:
    found = catalogue.by_key.get(key)
    if found is None:
        raise NotFoundError("Темы уже нет. Обновите страницу.")
    return found


def _save(
    who: Viewer,
    slug: str,
    after: int,
    change: Callable[[TopicList], tuple[str, Sequence[Topic] | None]],
    said: Mapping[str, Any],
) -> TopicList:
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        before = topics.current(connection, tenant.tenant_id)
        pack, changed = change(before)
        if changed is not None and topics.check(changed) == known.resolve(TopicList(pack)).topics:
            # the pack written out is still the pack: it follows the product when the product changes it
            changed = None
        if before.version == after and pack == before.pack and changed is None and before.topics is None:
            return before
        saved = topics.save(connection, tenant.tenant_id, pack, changed, after=after, actor=who.user_id)
        access.note(
            connection,
            who,
            "topics.changed",
            tenant_id=tenant.tenant_id,
            metadata={"version": saved.version, **said},
        )
        return saved
