"""What the vendors had to tell, row by row, from the invented company's own history; and what raw holds of it.

``told(world, source)`` folds the company's changes, messages and log into facts: ``{table: {key: (content, …)}}``.
``held(company, source)`` reads the same facts out of raw. Neither uses code of the product: the two meet in ``==``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg

from sandbox.company.model import Change, Timeline
from sandbox.company.world import World

Facts = dict[str, dict[Any, Any]]

#: of the log, what a report can be made of
LOGGED = {
    "lead_added",
    "lead_deleted",
    "lead_status_changed",
    "entity_responsible_changed",
    "incoming_chat_message",
    "outgoing_chat_message",
    "incoming_call",
    "outgoing_call",
    "task_completed",
}
ENTITY = {"leads": "lead", "contacts": "contact"}


def told(world: World, source: str) -> Facts:
    """Everything of one vendor that has happened by now."""
    return _amocrm(world) if source == "amocrm" else _radist(world)


def held(company: Any, source: str) -> Facts:
    """The same out of raw; raises when a key stands there twice."""
    with psycopg.connect(company.url) as connection:
        return {
            name: _keyed(name, connection.execute(query, (company.tenant_id,)).fetchall())
            for name, query in QUERIES[source].items()
        }


# --- what there is --------------------------------------------------------------------------------------------


def _amocrm(world: World) -> Facts:
    now, company = world.now(), world.company
    states = {deal.id: deal.history.state(now) for deal in company.deals}
    cards = {card.id: card.history.state(now) for card in company.contacts}
    alive = {number for number, card in cards.items() if card and not card["is_deleted"]}
    log = [event for event in world.events(now) if event.type in LOGGED]
    deleted = {("lead", number): _unix(s["updated_at"]) for number, s in states.items() if s and s["is_deleted"]}
    return {
        "users": {m.id: (m.name,) for m in company.managers},
        "pipelines": {p.id: (p.name, sorted(stage.id for stage in p.stages)) for p in company.pipelines},
        "loss_reasons": {number: (name,) for number, name in company.loss_reasons.items()},
        "leads": {
            deal.id: (
                *(s[name] for name in ("name", "price", "status_id", "pipeline_id", "responsible_id")),
                s["loss_reason_id"],
                *(_unix(moment) for moment in (deal.created_at, s["updated_at"], s["closed_at"])),
                sorted(set(deal.contact_ids) & alive),
                sorted(deal.tags),
            )
            for deal in company.deals
            if (s := states[deal.id]) and not s["is_deleted"]
        },
        "contacts": {
            card.id: (
                *(s["name"], s["responsible_id"], _unix(card.created_at), _unix(s["updated_at"])),
                sorted(raw for raw, _ in card.phones),
                card.email,
            )
            for card in company.contacts
            if (s := cards[card.id]) and card.id in alive
        },
        "events": {
            e.id: (e.type, e.entity_type, e.entity_id, e.created_by, _unix(e.created_at), e.after, e.before)
            for e in log
        },
        "notes": {
            note.id: (ENTITY[note.entity_type], note.entity_id, note.type, _unix(note.created_at), note.params)
            for note in company.notes
            if note.created_at <= now and note.type in ("call_in", "call_out")
        },
        "tasks": {
            task.id: (
                *("lead", task.deal_id, task.responsible_id, task.text, _unix(task.due_at), _unix(task.created_at)),
                *((True, task.result) if task.done_at and task.done_at <= now else (False, None)),
            )
            for task in company.tasks
            if task.created_at <= now
        },
        # a row of the bin, or what the log says of one that is gone from there
        "deleted": {(e.entity_type, e.entity_id): _unix(e.created_at) for e in log if e.type == "lead_deleted"}
        | deleted,
    }


def _radist(world: World) -> Facts:
    now = world.now()
    chats = {
        chat.id: (contact.id, chat.connection_id, chat.phone, chat.name, contact.name, contact.is_group, last)
        for contact, dialogs, last in world.talking(now)
        for chat in dialogs
    }
    return {
        "sources": {c.id: (c.type,) for c in world.company.connections},
        "chats": chats,
        "messages": {
            (chat, m.id): (m.at, m.direction, m.type, world.chats[chat].connection_id, m.text, m.file_name)
            for chat in chats
            for m in world.messages(world.chats[chat], now)
        },
    }


def _unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


# --- what is held ---------------------------------------------------------------------------------------------

QUERIES = {
    "amocrm": {
        "users": "select id, payload from raw_amocrm.users where tenant_id = %s",
        "pipelines": "select id, payload from raw_amocrm.pipelines where tenant_id = %s",
        "loss_reasons": "select id, payload from raw_amocrm.loss_reasons where tenant_id = %s",
        # a deal that went to the bin after it was read stays, with a stone in `deleted`
        "leads": "select id, payload, created_at, updated_at from raw_amocrm.leads l where tenant_id = %s and not exists"
        " (select from raw_amocrm.deleted d where d.tenant_id = l.tenant_id and d.entity_type = 'lead' and d.id = l.id"
        " and d.deleted_at >= l.updated_at)",
        "contacts": "select id, payload, created_at, updated_at from raw_amocrm.contacts where tenant_id = %s"
        " and not payload -> '_synkro' ? 'stub'",
        "events": "select id, payload, type, entity_type, entity_id, created_at from raw_amocrm.events where tenant_id = %s",
        "notes": "select id, payload, entity_type, entity_id, note_type, created_at from raw_amocrm.notes where tenant_id = %s",
        "tasks": "select id, payload, entity_type, entity_id, created_at from raw_amocrm.tasks where tenant_id = %s",
        "deleted": "select entity_type, id, deleted_at from raw_amocrm.deleted where tenant_id = %s",
    },
    "radist": {
        "sources": "select id, type from raw_radist.sources where tenant_id = %s",
        "chats": "select id, payload, contact_id, connection_id, updated_at from raw_radist.chats where tenant_id = %s",
        "messages": "select chat_id, id, payload, sent_at, direction, message_type, connection_id"
        " from raw_radist.messages where tenant_id = %s",
    },
}


def _keyed(name: str, rows: list[Any]) -> dict[Any, Any]:
    facts = [_FACTS[name](*row) for row in rows]
    found = dict(facts)
    assert len(found) == len(facts), f"{name}: {len(facts)} rows of {len(found)} keys"
    return found


def _lead(number: int, p: dict[str, Any], created: datetime, updated: datetime) -> Any:
    assert (p["id"], p["created_at"], p["updated_at"]) == (number, _unix(created), _unix(updated))
    names = ("name", "price", "status_id", "pipeline_id", "responsible_user_id", "loss_reason_id")
    times = (p["created_at"], p["updated_at"], p["closed_at"])
    contacts, tags = (sorted(row["id"] for row in p["_embedded"][key]) for key in ("contacts", "tags"))
    return number, (*(p[name] for name in names), *times, contacts, tags)


def _contact(number: int, p: dict[str, Any], created: datetime, updated: datetime) -> Any:
    assert (p["id"], p["created_at"], p["updated_at"]) == (number, _unix(created), _unix(updated))
    fields = {field["field_code"]: field["values"] for field in p["custom_fields_values"] or []}
    phones = sorted(value["value"] for value in fields.get("PHONE", []))
    email = next((value["value"] for value in fields.get("EMAIL", [])), None)
    assert len(p["_synkro"]["phones"]) <= 2 * len(phones)
    return number, (p["name"], p["responsible_user_id"], p["created_at"], p["updated_at"], phones, email)


def _event(number: str, p: dict[str, Any], kind: str, entity: str, entity_id: int, created: datetime) -> Any:
    assert p["created_at"] == _unix(created)
    return number, (kind, entity, entity_id, p["created_by"], _unix(created), p["value_after"], p["value_before"])


def _message(
    chat: int, number: str, p: dict[str, Any], at: datetime, way: str, kind: str, connection_id: int
) -> tuple[Any, Any]:
    assert p["message_id"] == number and p["chat_id"] == chat
    said = p.get("text") or p.get(kind) or {}
    text = said.get("text") or said.get("caption") or (said.get("body") or {}).get("text")
    return (chat, number), (
        at.astimezone(UTC),
        way,
        kind,
        connection_id,
        text,
        said.get("name") if kind != "waba_template" else None,
    )


_FACTS: dict[str, Any] = {
    "users": lambda number, p: (number, (p["name"],)),
    "pipelines": lambda number, p: (
        number,
        (p["name"], sorted(stage["id"] for stage in p["_embedded"]["statuses"])),
    ),
    "loss_reasons": lambda number, p: (number, (p["name"],)),
    "leads": _lead,
    "contacts": _contact,
    "events": _event,
    "notes": lambda number, p, entity, entity_id, kind, created: (
        number,
        (entity, entity_id, kind, _unix(created), p["params"]),
    ),
    "tasks": lambda number, p, entity, entity_id, created: (
        number,
        (
            *(ENTITY[entity], entity_id, p["responsible_user_id"], p["text"], p["complete_till"], _unix(created)),
            *(p["is_completed"], p["result"]["text"] if p["result"] else None),
        ),
    ),
    "deleted": lambda entity, number, moment: ((entity, number), _unix(moment)),
    "sources": lambda number, kind: (number, (kind,)),
    "chats": lambda number, p, contact, connection, updated: (
        number,
        (
            *(contact, connection, p["phone"], p["name"], p["contact_name"], p["is_group"]),
            updated and updated.astimezone(UTC),
        ),
    ),
    "messages": _message,
}


# --- differences ----------------------------------------------------------------------------------------------


def differences(wanted: Facts, found: Facts) -> list[str]:
    """What is lost, what is too much and what says something else, in words; empty when all is as told."""
    said = []
    for table, rows in wanted.items():
        others = found[table]
        said += [f"{table} {key}: lost" for key in rows.keys() - others.keys()]
        said += [f"{table} {key}: nobody told it" for key in others.keys() - rows.keys()]
        said += [
            f"{table} {key}: {others[key]} instead of {rows[key]}"
            for key in rows.keys() & others.keys()
            if rows[key] != others[key]
        ]
    return said


# --- a company that changes for one test only -------------------------------------------------------------------


@contextmanager
def as_it_was(world: World) -> Iterator[None]:
    """What a test changes in the company is taken back when it ends."""
    company = world.company
    histories: list[tuple[Timeline, list[Change]]] = [
        (history, list(history.changes))
        for history in [row.history for row in company.deals] + [row.history for row in company.contacts]
    ]
    messages = {chat.id: list(chat.messages) for chat in company.chats}
    events, times, tasks = list(company.events), list(world.event_times), list(company.tasks)
    try:
        yield
    finally:
        for history, changes in histories:
            history.cut(datetime.min.replace(tzinfo=UTC))
            for change in changes:
                history.add(change)
        for chat in company.chats:
            chat.messages[:] = messages[chat.id]
            chat.settle()
        company.events[:], world.event_times[:], company.tasks[:] = events, times, tasks
        world.events_by_id = {event.id: event for event in events}
