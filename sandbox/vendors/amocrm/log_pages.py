"""Events, notes and tasks over GET: what was done in the account, and what is to be done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.company.world import World, task_updated
from sandbox.vendors.amocrm import rows
from sandbox.vendors.amocrm.query import (
    Problem,
    bracketed,
    hal,
    integers,
    keep,
    link,
    ordered,
    page_of,
    span,
    values,
    withs,
)

EVENT_TYPES = (
    *(
        "lead_added",
        "lead_deleted",
        "lead_restored",
        "lead_status_changed",
        "lead_linked",
        "contact_added",
        "contact_deleted",
    ),
    *(
        "company_added",
        "entity_responsible_changed",
        "sale_field_changed",
        "name_field_changed",
        "custom_field_value_changed",
    ),
    *("entity_linked", "entity_unlinked", "entity_tag_added", "entity_tag_deleted", "entity_merged", "robot_replied"),
    *(
        "incoming_chat_message",
        "outgoing_chat_message",
        "talk_created",
        "talk_closed",
        "incoming_call",
        "outgoing_call",
    ),
    *("incoming_sms", "outgoing_sms", "task_added", "task_deleted", "task_completed", "task_deadline_changed"),
    *("task_text_changed", "common_note_added"),
)
NOTE_TYPES = ("common", "call_in", "call_out", "service_message", "sms_in", "sms_out", "attachment", "geolocation")


class LogPages:
    """Every handler takes a checked GET request and returns the answer, or raises :class:`Problem`."""

    def __init__(self, world: World, switches: Mapping[str, Any]) -> None:
        self.world, self.switches = world, switches

    def events(self, request: Request) -> Response:
        """Newest first; the vendor documents no order."""
        f = bracketed(request).get("filter") or {}
        types, by, entities, ids = (
            values(f.get("type")),
            integers(f.get("created_by")),
            values(f.get("entity")),
            integers(f.get("entity_id")),
        )
        unknown = [t for t in types or () if t not in EVENT_TYPES]
        if unknown or (by and len(by) > 10) or (ids and len(ids) > 10) or (ids and len(entities or ()) != 1):
            raise Problem(
                400,
                "Invalid params passed to filter",
                hint=", ".join(unknown) or "at most 10 ids, one entity with entity_id",
            )
        now, limits, uids = self.world.now(), span(f.get("created_at"), bare_is_after=True), values(f.get("id"))
        start, end = (datetime.fromtimestamp(min(max(t, 0), 2**33), UTC) for t in limits) if limits else (None, None)
        found = keep(
            reversed(self.world.events(now, start, end)),
            (lambda e: e.type in types) if types else None,
            (lambda e: e.created_by in by) if by is not None else None,
            (lambda e: e.entity_type in entities) if entities else None,
            (lambda e: e.entity_id in ids) if ids else None,
            (lambda e: e.id in uids) if uids else None,
        )
        wanted = withs(request)
        return page_of(
            request,
            "events",
            found,
            lambda e: rows.event(self.world, request, e, wanted, now),
            cap=int(self.switches["events_cap"]),
        )

    def one_event(self, request: Request) -> Response:
        found, now = self.world.events_by_id.get(request.path_params["id"]), self.world.now()
        if found is None or found.created_at > now:
            return Response(status_code=204)
        return hal(rows.event(self.world, request, found, withs(request), now))

    def event_types(self, request: Request) -> Response:
        found = [
            {"key": key, "type": number, "lang": key.replace("_", " ").capitalize()}
            for number, key in enumerate(EVENT_TYPES, 1)
        ]
        return hal(
            {"_total_items": len(found), "_links": link(request, "events/types"), "_embedded": {"events_types": found}}
        )

    def notes(self, request: Request) -> Response:
        entity, owner = request.path_params["entity"], request.path_params.get("id")
        f = bracketed(request).get("filter") or {}
        types, ids, limits, owners = (
            values(f.get("note_type")),
            integers(f.get("id")),
            span(f.get("updated_at"), bare_is_after=True),
            integers(f.get("entity_id")),
        )
        if unknown := [t for t in types or () if t not in NOTE_TYPES]:
            raise Problem(400, "Invalid params passed to filter", hint=", ".join(unknown))
        found = keep(
            self.world.notes(entity, self.world.now()),
            (lambda n: n.entity_id == owner) if owner is not None else None,
            (lambda n: n.entity_id in owners) if owners else None,
            (lambda n: n.type in types) if types else None,
            (lambda n: n.id in ids) if ids else None,
            (lambda n: limits[0] <= int(n.created_at.timestamp()) <= limits[1]) if limits else None,
        )
        keys: dict[str, Callable[[Any], Any]] = {
            "id": lambda n: n.id,
            "updated_at": lambda n: int(n.created_at.timestamp()),
        }
        return page_of(request, "notes", ordered(request, found, keys, "id"), lambda n: rows.note(request, n))

    def one_note(self, request: Request) -> Response:
        path = request.path_params
        found = [
            n
            for n in self.world.notes(path["entity"], self.world.now())
            if n.id == path["note"] and n.entity_id == path["id"]
        ]
        return hal(rows.note(request, found[0])) if found else Response(status_code=204)

    def tasks(self, request: Request) -> Response:
        now, f = self.world.now(), bracketed(request).get("filter") or {}
        ids, who, done = integers(f.get("id")), integers(f.get("responsible_user_id")), values(f.get("is_completed"))
        limits, owners, kinds = (
            span(f.get("updated_at"), bare_is_after=True),
            integers(f.get("entity_id")),
            values(f.get("entity_type")),
        )
        if owners and not kinds:
            raise Problem(400, "Invalid params passed to filter", hint="entity_id needs entity_type")
        found = keep(
            self.world.tasks(now),
            (lambda t: t.id in ids) if ids else None,
            (lambda t: t.responsible_id in who) if who else None,
            (lambda t: str(int(bool(t.done_at and t.done_at <= now))) in done) if done else None,
            (lambda t: t.deal_id in owners) if owners else None,
            (lambda t: "leads" in kinds) if kinds else None,
            (lambda t: limits[0] <= int(task_updated(t, now).timestamp()) <= limits[1]) if limits else None,
        )
        keys: dict[str, Callable[[Any], Any]] = {
            "id": lambda t: t.id,
            "created_at": lambda t: t.created_at,
            "complete_till": lambda t: t.due_at,
        }
        return page_of(
            request, "tasks", ordered(request, found, keys, "id"), lambda t: rows.task(request, t, now, self.switches)
        )

    def one_task(self, request: Request) -> Response:
        now = self.world.now()
        found = [t for t in self.world.tasks(now) if t.id == request.path_params["id"]]
        return hal(rows.task(request, found[0], now, self.switches)) if found else Response(status_code=204)
