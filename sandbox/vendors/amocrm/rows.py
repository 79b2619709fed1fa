"""Rows of the company in the vendor's spelling: Unix seconds, ``_links``, ``_embedded``, ``null`` where nothing is filled.

``with`` is honoured exactly: a lead has no contacts unless they were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request

from sandbox.company.model import Contact, Deal, Event, Note, Task
from sandbox.company.verticals import EMAIL_FIELD, PHONE_FIELD
from sandbox.company.world import World, task_updated
from sandbox.vendors.amocrm.query import link
from sandbox.vendors.amocrm.settings import ACCOUNT_ID, FIELDS, PHONE_ENUMS, loss_reason


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def lead(
    world: World, request: Request, deal: Deal, now: datetime, wanted: set[str], switches: Mapping[str, Any]
) -> dict[str, Any]:
    """A deal as it is at ``now``; a deleted one is a stub."""
    s = deal.history.state(now)
    if s["is_deleted"]:
        return {
            "id": deal.id,
            "updated_at": seconds(s["updated_at"]),
            "is_deleted": True,
            "_links": link(request, f"leads/{deal.id}"),
        }
    row: dict[str, Any] = {
        "id": deal.id,
        "name": s["name"],
        "price": s["price"],
        "responsible_user_id": s["responsible_id"],
        "group_id": 0,
        "status_id": s["status_id"],
        "pipeline_id": s["pipeline_id"],
        "loss_reason_id": s["loss_reason_id"],
        "created_by": deal.created_by,
        "updated_by": s["updated_by"],
        "created_at": seconds(deal.created_at),
        "updated_at": seconds(s["updated_at"]),
        "closed_at": seconds(s["closed_at"]),
        "closest_task_at": seconds(world.closest_task(deal.id, now)),
        "is_deleted": False,
        "custom_fields_values": [field_value("leads", field, values) for field, values in deal.fields.items()] or None,
        "score": None,
        "account_id": ACCOUNT_ID,
        "labor_cost": None,
    }
    if switches["price_with_minor_units"]:
        row["price_with_minor_units"] = float(s["price"])
    if "is_price_modified_by_robot" in wanted:
        row["is_price_modified_by_robot"] = False
    if "source_id" in wanted:
        row["source_id"] = None
    row["_links"] = link(request, f"leads/{deal.id}")
    embedded: dict[str, Any] = {
        "tags": [{"id": t, "name": world.company.tags[t], "color": None} for t in deal.tags],
        "companies": [],
    }
    if "contacts" in wanted:
        alive = [c for c in deal.contact_ids if _alive(world.contacts[c], now)]
        embedded["contacts"] = [
            {"id": c, "is_main": c == alive[0], "_links": link(request, f"contacts/{c}")} for c in alive
        ]
    if "loss_reason" in wanted:
        reason = loss_reason(world, request, s["loss_reason_id"]) if s["loss_reason_id"] else None
        as_object = switches["loss_reason_as"] == "object"
        embedded["loss_reason"] = reason if as_object else [reason] if reason else []
    if "catalog_elements" in wanted:
        embedded["catalog_elements"] = []
    if "source" in wanted:
        embedded["source"] = None
    return row | {"_embedded": embedded}


def _alive(contact: Contact, now: datetime) -> bool:
    state = contact.history.state(now)
    return bool(state) and not state["is_deleted"]


def contact(world: World, request: Request, card: Contact, now: datetime, wanted: set[str]) -> dict[str, Any]:
    s = card.history.state(now)
    if s["is_deleted"]:
        return {
            "id": card.id,
            "updated_at": seconds(s["updated_at"]),
            "is_deleted": True,
            "_links": link(request, f"contacts/{card.id}"),
        }
    fields = []
    if card.phones:
        values = [{"value": raw, "enum_id": PHONE_ENUMS[code], "enum_code": code} for raw, code in card.phones]
        fields.append(field_value("contacts", PHONE_FIELD, values))
    if card.email:
        fields.append(
            field_value("contacts", EMAIL_FIELD, [{"value": card.email, "enum_id": 311, "enum_code": "WORK"}])
        )
    row: dict[str, Any] = {
        "id": card.id,
        "name": s["name"],
        "first_name": "",
        "last_name": "",
        "responsible_user_id": s["responsible_id"],
        "group_id": 0,
        "created_by": card.created_by,
        "updated_by": s["updated_by"],
        "created_at": seconds(card.created_at),
        "updated_at": seconds(s["updated_at"]),
        "closest_task_at": None,
        "is_deleted": False,
        "is_unsorted": False,
        "custom_fields_values": fields or None,
        "account_id": ACCOUNT_ID,
        "_links": link(request, f"contacts/{card.id}"),
    }
    embedded: dict[str, Any] = {"tags": [], "companies": []}
    if "leads" in wanted:
        ids = [d for d in world.deals_of_contact.get(card.id, ()) if visible(world.deals[d], now)]
        embedded["leads"] = [{"id": d, "_links": link(request, f"leads/{d}")} for d in ids]
    for name in ("customers", "catalog_elements"):
        if name in wanted:
            embedded[name] = []
    return row | {"_embedded": embedded}


def visible(row: Deal | Contact, now: datetime) -> bool:
    """Made already and not in the bin."""
    state = row.history.state(now)
    return bool(state) and not state["is_deleted"]


def field_value(entity: str, field_id: int, values: list[dict[str, Any]]) -> dict[str, Any]:
    name, type_, code = next((n, t, c) for i, n, t, c in FIELDS[entity] if i == field_id)
    return {"field_id": field_id, "field_name": name, "field_code": code, "field_type": type_, "values": values}


def event(world: World, request: Request, row: Event, wanted: set[str], now: datetime) -> dict[str, Any]:
    plural = {"lead": "leads", "contact": "contacts", "task": "tasks"}.get(row.entity_type, row.entity_type)
    entity: dict[str, Any] = {"id": row.entity_id}
    owner = world.deals.get(row.entity_id) if row.entity_type == "lead" else world.contacts.get(row.entity_id)
    if owner is not None and f"{row.entity_type}_name" in wanted:
        entity["name"] = owner.history.state(now).get("name")
    if row.contact_id is not None:
        entity["linked_talk_contact_id"] = row.contact_id
    return {
        "id": row.id,
        "type": row.type,
        "entity_id": row.entity_id,
        "entity_type": row.entity_type,
        "created_by": row.created_by,
        "created_at": seconds(row.created_at),
        "value_after": row.after,
        "value_before": row.before,
        "account_id": ACCOUNT_ID,
        "_links": link(request, f"events/{row.id}"),
        "_embedded": {"entity": {**entity, "_links": link(request, f"{plural}/{row.entity_id}")}},
    }


def note(request: Request, row: Note) -> dict[str, Any]:
    return {
        "id": row.id,
        "entity_id": row.entity_id,
        "created_by": row.created_by,
        "updated_by": row.created_by,
        "created_at": seconds(row.created_at),
        "updated_at": seconds(row.created_at),
        "responsible_user_id": row.responsible_id,
        "group_id": 0,
        "note_type": row.type,
        "params": row.params,
        "account_id": ACCOUNT_ID,
        "_links": link(request, f"{row.entity_type}/{row.entity_id}/notes/{row.id}"),
    }


def task(request: Request, row: Task, now: datetime, switches: Mapping[str, Any]) -> dict[str, Any]:
    done = row.done_at is not None and row.done_at <= now
    return {
        "id": row.id,
        "created_by": row.responsible_id,
        "updated_by": row.responsible_id,
        "created_at": seconds(row.created_at),
        "updated_at": seconds(task_updated(row, now)),
        "responsible_user_id": row.responsible_id,
        "group_id": 0,
        "entity_id": row.deal_id,
        "entity_type": "leads",
        "duration": 0,
        "is_completed": done,
        "task_type_id": row.type_id,
        "text": row.text,
        "result": {"text": row.result} if done and switches["task_result_as"] == "object" else [],
        "complete_till": seconds(row.due_at),
        "account_id": ACCOUNT_ID,
        "_links": link(request, f"tasks/{row.id}"),
    }
