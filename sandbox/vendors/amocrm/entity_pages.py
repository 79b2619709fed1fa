"""Deals and contacts over GET. Filters and orders are evaluated on every request, so a row edited between two pages
really moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.company.world import World
from sandbox.vendors.amocrm import rows
from sandbox.vendors.amocrm.query import bracketed, hal, integers, ordered, page_of, span, values, withs


class EntityPages:
    """Every handler takes a checked GET request and returns the answer, or raises :class:`Problem`."""

    def __init__(self, world: World, switches: Mapping[str, Any]) -> None:
        self.world, self.switches = world, switches

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


def _mentions(row: Any, state: Mapping[str, Any], text: str) -> bool:
    """Full text over filled fields; numbers are compared by their digits."""
    digits = "".join(c for c in text if c.isdigit())
    if text.lower() in str(state["name"]).lower():
        return True
    phones = ["".join(c for c in raw if c.isdigit()) for raw, _ in getattr(row, "phones", ())]
    return len(digits) >= 4 and any(digits[-10:] in phone for phone in phones)
