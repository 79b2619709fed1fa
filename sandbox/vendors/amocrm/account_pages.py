"""What an account is made of, over GET: the account, users, pipelines, reasons, field definitions, tags, webhooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.company.world import World
from sandbox.vendors.amocrm import settings
from sandbox.vendors.amocrm.query import Problem, base, hal, link, page_of, paging, problem, withs


class AccountPages:
    """Every handler takes a checked GET request and returns the answer, or raises :class:`Problem`."""

    def __init__(self, world: World, switches: Mapping[str, Any]) -> None:
        self.world, self.switches = world, switches

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
            _page_count=-(-len(people) // paging(request)[1]),
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
