"""The company of the contract tests: every stream has rows, and whatever a careless key would merge is in it.

``content`` is what a tenant holds of a vendor, ``assert_same`` compares two of them and says which stream differs.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pytest

from sandbox import server
from sandbox.company.model import Change, Chat, Contact, Message, RadistContact, Timeline
from sandbox.company.world import World
from synkro.core import clock
from tests.ingestion.conftest import Company

VENDORS = ("amocrm", "radist")
#: stream -> the time an increment goes by; None: read whole each time
STREAMS: dict[str, dict[str, str | None]] = {
    "amocrm": {
        "account": None, "users": None, "pipelines": None, "loss_reasons": None, "leads": "updated_at",
        "contacts": "updated_at", "events": "created_at", "notes": "updated_at", "tasks": "updated_at",
        "deleted": "deleted_at",
    },
    "radist": {"sources": None, "chats": None, "messages": "sent_at"},
}  # fmt: skip
EVERY = [(vendor, stream) for vendor in VENDORS for stream in STREAMS[vendor]]
DAYS = 18
Content = dict[str, list[str]]


@pytest.fixture(scope="module")
def outside() -> Iterator[server.Sandbox]:
    """Eighteen days of a small company that ended days ago, with :func:`tangle` in it."""
    today = clock.now().date()
    days = {"first_day": today - timedelta(days=DAYS + 3), "last_day": today - timedelta(days=3)}
    with server.start("small", now=clock.now, **days) as sandbox:
        tangle(sandbox.world)
        yield sandbox


PHONE = "+77000990001"
TANGLED = {801: 501, 802: 501, 803: 504}  # dialog -> its connection; one phone, twice in one channel


def tangle(world: World) -> None:
    """One phone in three dialogs, a group, a phone of two contacts, a merged contact that a deal still names, a deal
    in the bin.
    """
    company, at = world.company, clock.now() - timedelta(days=4)
    person, group = RadistContact(9901, "Айгуль"), RadistContact(9902, "Семья", is_group=True)
    for number, connection in TANGLED.items():
        person.chats.append(Chat(number, connection, person.id, f"id-{number}", PHONE, "Айгуль"))
    group.chats.append(Chat(804, 501, group.id, "120363000000000804@g.us", PHONE, "Семья", is_group=True))
    for chat in (*person.chats, *group.chats):
        chat.messages = [
            Message(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{chat.id}-{n}")), chat.id, at + timedelta(minutes=n),
                    "client", "text", f"Вопрос {n}") for n in range(3)
        ]  # fmt: skip
        chat.settle()
        world.chats[chat.id] = chat
        company.chats.append(chat)
    company.radist_contacts += [person, group]
    for number, values in ((8_990_001, {}), (8_990_002, {}), (8_990_003, {"is_merged": True})):
        history = Timeline()
        history.add(Change(at, 0, {"name": "Айгуль", "responsible_id": 0, "is_deleted": False, **values}))
        card = Contact(number, at, 0, history, [("8 (700) 099-00-01", "WORK")])
        company.contacts.append(card)
        world.contacts[number] = card
    # two of the living, on any day: the one that names the merged contact must not be the one in the bin
    deal, binned, *_ = (d for d in company.deals if not d.history.state(world.now())["is_deleted"])
    binned.history.add(Change(at, 0, {"is_deleted": True}))
    deal.contact_ids += [8_990_002, 8_990_003]
    world.deals_of_contact.setdefault(8_990_002, []).append(deal.id)


# --- comparing -----------------------------------------------------------------------------------------------------


def content(company: Company, vendor: str) -> Content:
    """{stream: its rows in order}: every column but the tenant, the moment of reading and dlt's own.

    Without the deals and contacts that have a tombstone: they stay as they last were, and who comes later sees none.
    """
    found = {}
    gone = "(select id, entity_type || 's' from raw_amocrm.deleted d where d.tenant_id = t.tenant_id)"
    for stream in STREAMS[vendor]:
        rows = company.sql(
            f"select to_jsonb(t) - array['tenant_id', 'seen_at', '_dlt_load_id', '_dlt_id'] as row"
            f" from raw_{vendor}.{stream} t where tenant_id = %s"
            + (f" and (id, '{stream}') not in {gone}" if stream in ("leads", "contacts") else ""),
            company.tenant_id,
        )
        found[stream] = sorted(json.dumps(row["row"], sort_keys=True, ensure_ascii=False) for row in rows)
    return found


def assert_same(found: Content, wanted: Content) -> None:
    """The same rows in every stream, none of them empty; says which stream differs and shows a few rows of it."""
    assert [stream for stream in wanted if not wanted[stream]] == [], "an empty stream proves nothing"
    for stream in wanted:
        assert len(found[stream]) == len(set(found[stream])), stream
        missing, extra = set(wanted[stream]) - set(found[stream]), set(found[stream]) - set(wanted[stream])
        few = [row[:300] for row in [*sorted(missing)[:2], "…", *sorted(extra)[:2]]]
        assert (len(missing), len(extra)) == (0, 0), f"{stream}: {few}"
