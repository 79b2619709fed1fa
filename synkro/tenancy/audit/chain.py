"""The chain of the audit log: each line's hash covers the line before it, company by company.

The database appends the links (migration 34); here they are recomputed without its functions, so that a database whose
functions were changed too is found out. A chain that was rewritten whole is found by its anchors (:mod:`synkro.tenancy.audit.anchors`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID

from synkro.database import db

#: the chain of lines that belong to the installation and to no company
INSTALLATION = UUID(int=0)
_FETCH = 2_000
#: lines of the report on one chain; the first breaks say where it begins
MOST_BREAKS = 20

#: every link with its line, and lines that have no link; texts as the database writes them
_LINKS = """
select c.position, c.hash, c.audit_id, l.audit_id is not null as is_there, l.tenant_id::text, l.actor_id::text, l.actor, l.action,
       l.message, l.metadata::text, l.ip_address, (extract(epoch from l.created_at) * 1000000)::bigint::text as created_at
from synkro.audit_chain c left join synkro.audit_log l on l.audit_id = c.audit_id
where c.tenant_id = %(chain)s and c.position <= %(last)s order by c.position
"""
_UNCHAINED = """
select l.audit_id from synkro.audit_log l
where coalesce(l.tenant_id, %(installation)s) = %(chain)s
  and not exists (select from synkro.audit_chain c where c.audit_id = l.audit_id and c.tenant_id = %(chain)s)
order by l.audit_id limit %(most)s
"""


@dataclass(frozen=True)
class Anchor:
    """What a chain was at a moment, kept outside the database. ``hash``: hexadecimal."""

    chain: UUID
    position: int
    hash: str


@dataclass
class Verified:
    """What became of one chain. ``breaks``: a sentence each, for the operator; empty when the chain holds."""

    chain: UUID
    lines: int = 0
    #: the last position that an anchor confirms; 0 without an anchor
    anchored: int = 0
    breaks: list[str] = field(default_factory=list)

    def found(self, sentence: str) -> None:
        if len(self.breaks) < MOST_BREAKS:
            self.breaks.append(sentence)


def link_hash(previous: bytes, position: int, line: Mapping[str, Any]) -> bytes:
    """SHA-256 of the previous hash, the position and every column of the line, each as ``length:value,``.

    The same as ``synkro.audit_hash`` in the database. ``line``: texts or ``None``, as :data:`_LINKS` reads them.
    """
    values = (
        previous.hex(), str(position), str(line["audit_id"]), line["tenant_id"], line["actor_id"], line["actor"],
        line["action"], line["message"], line["metadata"], line["ip_address"], line["created_at"],
    )  # fmt: skip
    return sha256(b"".join(_field(value) for value in values)).digest()


def _field(value: str | None) -> bytes:
    if value is None:
        return b"-,"
    raw = value.encode()
    return b"%d:%b," % (len(raw), raw)


def heads(connection: db.Connection) -> list[Anchor]:
    """Where every chain ends now."""
    rows = connection.execute("select tenant_id, position, hash from synkro.audit_heads order by tenant_id")
    return [Anchor(row["tenant_id"], row["position"], row["hash"].hex()) for row in rows]


def chains(connection: db.Connection, anchors: Iterable[Anchor] = ()) -> list[UUID]:
    """Every chain there is a trace of: its links, its lines, its head or an anchor."""
    rows = connection.execute(
        "select tenant_id from synkro.audit_heads union select tenant_id from synkro.audit_chain"
        " union select coalesce(tenant_id, %s) from synkro.audit_log",
        (INSTALLATION,),
    )
    return sorted({row["tenant_id"] for row in rows} | {anchor.chain for anchor in anchors}, key=str)


def verify(connection: db.Connection, chain: UUID, anchors: Iterable[Anchor] = ()) -> Verified:
    """Recompute one chain; reads a few thousand lines at a time, however long it is."""
    told = Verified(chain)
    expected = {anchor.position: anchor.hash for anchor in anchors if anchor.chain == chain}
    head = _head(connection, chain)
    if head["last"] != head["position"]:
        told.found(f"последнее место {head['last']}, а должно быть {head['position']}: конец отрезан или приписан")
    place, previous = 0, b""
    # no further than the head: others append meanwhile
    for link in _links(connection, chain, head["position"]):
        told.lines += 1
        if link["position"] != place + 1:
            told.found(f"между местами {place} и {link['position']} вырезаны записи")
            previous = b""
        place = link["position"]
        stored = bytes(link["hash"])
        if not link["is_there"]:
            told.found(f"место {place}: запись {link['audit_id']} удалена")
        elif (previous or place == 1) and link_hash(previous, place, link) != stored:
            told.found(f"место {place}: запись {link['audit_id']} изменена или переставлена")
        previous = stored
        if place in expected:
            if expected.pop(place) == stored.hex():
                told.anchored = max(told.anchored, place)
            else:
                told.found(f"место {place}: не сходится с отметкой вне базы, цепочка переписана")
    if expected:
        told.found(f"отметка вне базы помнит место {max(expected)}, а в базе его нет: конец отрезан")
    if place == head["position"] and previous != bytes(head["hash"]):
        told.found(f"место {place}: не сходится с концом цепочки, он переписан")
    unchained = connection.execute(
        _UNCHAINED, {"installation": INSTALLATION, "chain": chain, "most": MOST_BREAKS}
    ).fetchall()
    for row in unchained:
        told.found(f"запись {row['audit_id']} вставлена в обход цепочки")
    return told


def _head(connection: db.Connection, chain: UUID) -> dict[str, Any]:
    """The head and the last link as they are at one moment."""
    row = connection.execute(
        "select coalesce((select position from synkro.audit_heads where tenant_id = %(chain)s), 0) as position,"
        " coalesce((select hash from synkro.audit_heads where tenant_id = %(chain)s), '') as hash,"
        " coalesce((select max(position) from synkro.audit_chain where tenant_id = %(chain)s), 0) as last",
        {"chain": chain},
    ).fetchone()
    assert row is not None
    return row


def _links(connection: db.Connection, chain: UUID, last: int) -> Iterator[dict[str, Any]]:
    with connection.cursor("audit_links") as cursor:
        cursor.itersize = _FETCH
        yield from cursor.execute(_LINKS, {"chain": chain, "last": last})
