"""The read endpoints of amoCRM: parse the request, pick the rows live, render one page.

Filters and orders are evaluated on every request, so a row edited between two pages really moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.amocrm import rows, settings
from sandbox.amocrm.query import (
    Problem,
    base,
    bracketed,
    hal,
    integers,
    keep,
    link,
    ordered,
    page_of,
    problem,
    span,
    values,
    withs,
)
from sandbox.world import World, task_updated

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


class Pages:
    """Every handler takes a checked GET request and returns the answer, or raises :class:`Problem`."""

    def __init__(self, world: World, switches: Mapping[str, Any]) -> None:
        self.world, self.switches = world, switches

    # --- account ------------------------------------------------------------------------------------------------

    def account(self, request: Request) -> Response:
        return hal(settings.account(self.world, request, withs(request), self.switches))

    def users(self, request: Request) -> Response:
        self._admin()
        people, wanted = self.world.company.managers, withs(request)
        return page_of(
            request,
            "users",
            people,
            lambda m: settings.user(request, m, wanted),
            _total_items=len(people),
            _page_count=1,
        )

    def one_user(self, request: Request) -> Response:
        self._admin()
        found = self.world.managers.get(request.path_params["id"])
        return hal(settings.user(request, found, withs(request))) if found else problem(404, "Пользователь не найден")

    def _admin(self) -> None:
        if not self.switches["is_admin"]:
            raise Problem(403, "Доступ запрещён: нужны права администратора")

    def pipelines(self, request: Request) -> Response:
        found = [settings.pipeline(request, row) for row in self.world.company.pipelines]
        return hal(
            {"_total_items": len(found), "_links": link(request, "leads/pipelines"), "_embedded": {"pipelines": found}}
        )

    def one_pipeline(self, request: Request) -> Response:
        return hal(settings.pipeline(request, self._pipeline(request)))

    def statuses(self, request: Request) -> Response:
        found = settings.statuses(request, self._pipeline(request))
        return hal(
            {
                "_total_items": len(found),
                "_links": {"self": {"href": f"{base(request)}{request.url.path}"}},
                "_embedded": {"statuses": found},
            }
        )

    def _pipeline(self, request: Request) -> Any:
        found = next((p for p in self.world.company.pipelines if p.id == request.path_params["id"]), None)
        if found is None:
            raise Problem(404, "Воронка не найдена")
        return found

    def loss_reasons(self, request: Request) -> Response:
        keys = list(self.world.company.loss_reasons)
        return page_of(
            request,
            "loss_reasons",
            keys,
            lambda key: settings.loss_reason(self.world, request, key),
            _total_items=len(keys),
        )

    def one_loss_reason(self, request: Request) -> Response:
        key = request.path_params["id"]
        known = key in self.world.company.loss_reasons
        return (
            hal(settings.loss_reason(self.world, request, key)) if known else problem(404, "Причина отказа не найдена")
        )

    def custom_fields(self, request: Request) -> Response:
        entity = request.path_params["entity"]
        found = settings.FIELDS[entity]
        return page_of(
            request,
            "custom_fields",
            found,
            lambda f: settings.custom_field(request, entity, f),
            _total_items=len(found),
        )

    def tags(self, request: Request) -> Response:
        found = list(self.world.company.tags.items()) if request.path_params["entity"] == "leads" else []
        return page_of(
            request, "tags", found, lambda t: {"id": t[0], "name": t[1], "color": None}, _total_items=len(found)
        )

    def webhooks(self, request: Request) -> Response:
        self._admin()
        hook = {
            "id": 9001,
            "destination": "https://radist.example/hook",
            "created_at": 1_700_000_000,
            "updated_at": 1_700_000_000,
            "account_id": settings.ACCOUNT_ID,
        }
        hook |= {
            "created_by": self.world.company.managers[-2].id,
            "sort": 1,
            "disabled": False,
            "settings": ["add_message", "add_lead"],
        }
        return hal({"_total_items": 1, "_links": link(request, "webhooks"), "_embedded": {"webhooks": [hook]}})

    def nothing(self, request: Request) -> Response:
        return Response(status_code=204)

    def unknown(self, request: Request) -> Response:
        return problem(404, f"Cannot GET {request.url.path}", "Not Found")

    # --- leads and contacts -------------------------------------------------------------------------------------

    def leads(self, request: Request) -> Response:
        now, wanted = self.world.now(), withs(request)
        found = self._entities(request, self.world.company.deals, now, wanted)
        return page_of(request, "leads", found, lambda d: rows.lead(self.world, request, d, now, wanted, self.switches))

    def one_lead(self, request: Request) -> Response:
        found, now = self.world.deals.get(request.path_params["id"]), self.world.now()
        if found is None or not rows.visible(found, now):
            return Response(status_code=204)
        return hal(rows.lead(self.world, request, found, now, withs(request), self.switches))

    def contacts(self, request: Request) -> Response:
        now, wanted = self.world.now(), withs(request)
        found = self._entities(request, self.world.company.contacts, now, wanted)
        return page_of(request, "contacts", found, lambda c: rows.contact(self.world, request, c, now, wanted))

    def one_contact(self, request: Request) -> Response:
        found, now = self.world.contacts.get(request.path_params["id"]), self.world.now()
        if found is None or not rows.visible(found, now):
            return Response(status_code=204)
        return hal(rows.contact(self.world, request, found, now, withs(request)))

    def _entities(self, request: Request, every: list[Any], now: datetime, wanted: set[str]) -> list[Any]:
        """Deals or contacts of the request: bin or not, filters (if the account may filter), ``query``, order."""
        states = {row.id: row.history.state(now) for row in every}
        deleted = "only_deleted" in wanted
        # a merged card is nowhere, not even in the bin
        found = [
            r for r in every if (s := states[r.id]) and bool(s["is_deleted"]) is deleted and not s.get("is_merged")
        ]
        f = bracketed(request).get("filter")
        if isinstance(f, dict) and self.switches["is_api_filter_enabled"]:
            found = self._filtered(found, states, f)
        if text := request.query_params.get("query"):
            found = [r for r in found if _mentions(r, states[r.id], text)]
        keys: dict[str, Callable[[Any], Any]] = {
            "id": lambda r: r.id,
            "created_at": lambda r: int(r.created_at.timestamp()),
            "updated_at": lambda r: int(states[r.id]["updated_at"].timestamp()),
        }
        return ordered(request, found, keys, "id")

    @staticmethod
    def _filtered(found: list[Any], states: Mapping[int, Mapping[str, Any]], f: Mapping[str, Any]) -> list[Any]:
        """Filters that both lists know; those of leads are simply absent from contacts."""
        named = {"responsible_user_id": "responsible_id", "pipeline_id": "pipeline_id", "updated_by": "updated_by"}
        for name, field in named.items():
            if (ids := integers(f.get(name))) is not None:
                found = [r for r in found if states[r.id].get(field) in ids]
        for name in ("updated_at", "created_at", "closed_at"):
            if (limits := span(f.get(name))) is not None:
                low, high = limits
                moments = {r.id: r.created_at if name == "created_at" else states[r.id].get(name) for r in found}
                found = [r for r in found if (at := moments[r.id]) and low <= int(at.timestamp()) <= high]
        if (ids := integers(f.get("id"))) is not None:
            found = [r for r in found if r.id in ids]
        if (names := values(f.get("name"))) is not None:
            found = [r for r in found if states[r.id]["name"] in names]
        if (limits := span(f.get("price"))) is not None:
            found = [r for r in found if limits[0] <= states[r.id].get("price", 0) <= limits[1]]
        if isinstance(f.get("statuses"), dict):
            pairs = {(int(p.get("pipeline_id", 0)), int(p.get("status_id", 0))) for p in f["statuses"].values()}
            found = [r for r in found if (states[r.id].get("pipeline_id"), states[r.id].get("status_id")) in pairs]
        return found

    # --- events, notes, tasks -----------------------------------------------------------------------------------

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


def _mentions(row: Any, state: Mapping[str, Any], text: str) -> bool:
    """Full text over filled fields; numbers are compared by their digits."""
    digits = "".join(c for c in text if c.isdigit())
    if text.lower() in str(state["name"]).lower():
        return True
    phones = ["".join(c for c in raw if c.isdigit()) for raw, _ in getattr(row, "phones", ())]
    return len(digits) >= 4 and any(digits[-10:] in phone for phone in phones)
