"""amoCRM API v4 as a server: bearer check, rate limit, GET only, live filters and orders on every request.

Kept: 204 instead of an empty list, absolute ``_links.next``, filters that are silently ignored when the account has no
filter right, only_deleted stubs, 422 over 250 rows, at most ten ids in an events filter, an unknown event type spoils
the whole request. Anything but GET is 405 and written down as a violation, the token endpoint excepted.
Switches: see ``SWITCHES``; ``POST /_expire`` makes every access token too old; ``POST /_edit`` changes or deletes a lead.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.middleware import instrument
from sandbox.faults.request_log import RequestLog
from sandbox.faults.transport_faults import HTML
from sandbox.vendors.amocrm.account_pages import AccountPages
from sandbox.vendors.amocrm.entity_pages import EntityPages
from sandbox.vendors.amocrm.log_pages import LogPages
from sandbox.vendors.amocrm.oauth import Tokens, oauth_problem
from sandbox.vendors.amocrm.query import Problem, problem, problem_body
from sandbox.vendors.amocrm.settings import ACCOUNT_ID, FIELDS

SWITCHES: dict[str, Any] = {
    "is_api_filter_enabled": True,  # off: filters of leads, contacts, companies are accepted and ignored
    "refresh_reuse": "strict",  # or grace
    "access_token_life": 86400,
    "events_cap": 100,  # or 250
    "loss_reason_as": "list",  # or object
    "task_result_as": "object",  # or list: [] always
    "price_with_minor_units": False,
    "rate_limit_body": "json",  # or html
    "retry_after": 1,  # seconds; the real service says 300
    "block_after": 0,  # so many 429 within a minute and every call is 403 until the faults are cleared
    "unauthorized_as": "problem",  # or oauth: a bad access token is refused in the token endpoint's words; both were seen
    "is_admin": True,  # off: /users and /webhooks are 403
}


def build_app(world: World, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """The server as an ASGI app, request log and faults included."""

    def errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
        return "application/problem+json", problem_body(status, detail, **more)

    def drift(records: list[Any]) -> None:
        for record in records[:1]:
            if record.get("id") in world.deals:
                world.edit_lead(record["id"])

    def remove(records: list[Any]) -> None:
        for record in records[:1]:
            if record.get("id") in world.deals:
                world.delete_lead(record["id"])

    faults.bind(
        errors=errors, switches=SWITCHES, rates={"api": 7.0}, hooks={"page_drift": drift, "page_delete": remove}
    )
    server = Server(world, request_log, faults)
    faults.hooks["expire"] = lambda _: server.tokens.expire()
    return instrument(Starlette(routes=server.routes()), request_log, faults)


class Server:
    """The entry point: who may come in, how often and with which method; what is behind it is in the ``…_pages``."""

    def __init__(self, world: World, request_log: RequestLog, faults: Faults) -> None:
        self.world, self.request_log, self.faults = world, request_log, faults
        self.switches = faults.switches
        self.tokens = Tokens(world.company.seed, faults.switches)
        self._refusals: deque[float] = deque()

    def routes(self) -> list[Route]:
        world, switches = self.world, self.switches
        account, entities, log = AccountPages(world, switches), EntityPages(world, switches), LogPages(world, switches)
        pages: dict[str, Callable[[Request], Response]] = {
            "account": account.account,
            "users": account.users,
            "users/{id:int}": account.one_user,
            "leads/pipelines": account.pipelines,
            "leads/pipelines/{id:int}": account.one_pipeline,
            "leads/pipelines/{id:int}/statuses": account.statuses,
            "leads/loss_reasons": account.loss_reasons,
            "leads/loss_reasons/{id:int}": account.one_loss_reason,
            "{entity:entity}/custom_fields": account.custom_fields,
            "{entity:entity}/tags": account.tags,
            "{entity:entity}/notes": log.notes,
            "{entity:entity}/{id:int}/notes": log.notes,
            "{entity:entity}/{id:int}/notes/{note:int}": log.one_note,
            "leads/unsorted": _nothing,
            "leads": entities.leads,
            "leads/{id:int}": entities.one_lead,
            "contacts": entities.contacts,
            "contacts/{id:int}": entities.one_contact,
            "companies": _nothing,
            "customers": _nothing,
            "events": log.events,
            "events/types": log.event_types,
            "events/{id}": log.one_event,
            "tasks": log.tasks,
            "tasks/{id:int}": log.one_task,
            "talks": _nothing,
            "talks/{id:int}": _unknown,
            "webhooks": account.webhooks,
            "sources": _nothing,
        }
        every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        found = [
            Route(f"/api/v4/{path.replace('{entity:entity}', '{entity}')}", self._guarded(page), methods=every)
            for path, page in pages.items()
        ]
        found.append(Route("/oauth2/access_token", self.token, methods=every))
        found.append(Route("/oauth2/account/current/subdomain", self.whereabouts))
        found += [Route("/_expire", self.expire, methods=["POST"]), Route("/_edit", self.edit, methods=["POST"])]
        return [*found, Route("/{rest:path}", self._guarded(_unknown), methods=every)]

    # --- the entry point -----------------------------------------------------------------------------------------------

    def _guarded(self, page: Callable[[Request], Response]) -> Callable[[Request], Any]:
        async def handler(request: Request) -> Response:
            if request.method != "GET":
                self.request_log.violation(request.method, request.url.path, "amoCRM is read-only for this client")
                return problem(405, f"Method {request.method} is not allowed")
            if self._blocked():
                return _gateway(403, "Forbidden")
            if not self.faults.allow("api"):
                return self._too_many()
            if not self.tokens.accepts(request.headers.get("authorization")):
                return self._unauthorized()
            entity = request.path_params.get("entity", "leads")
            try:
                return _unknown(request) if entity not in FIELDS else page(request)
            except Problem as refused:
                return refused.response()

        return handler

    def _unauthorized(self) -> Response:
        if self.switches["unauthorized_as"] == "oauth":
            return oauth_problem(401, "Токен доступа просрочен")
        return problem(401, "Неверный логин или пароль", "Unauthorized")

    def _too_many(self) -> Response:
        now = time.monotonic()
        self._refusals.append(now)
        while now - self._refusals[0] > 60:
            self._refusals.popleft()
        if self.switches["rate_limit_body"] == "html":
            return _gateway(429, "Too Many Requests")
        return problem(429, "Превышено количество запросов в секунду", retry_after=self.switches["retry_after"])

    def _blocked(self) -> bool:
        limit = self.switches["block_after"]
        if not limit:
            self._refusals.clear()
        return bool(limit) and len(self._refusals) >= limit

    async def token(self, request: Request) -> Response:
        if request.method != "POST":
            return problem(405, f"Method {request.method} is not allowed")
        body = await request.json() if "json" in request.headers.get("content-type", "") else dict(await request.form())
        return self.tokens.exchange(body)

    async def whereabouts(self, request: Request) -> Response:
        """Where the account of a refresh token lives: here, always."""
        if request.headers.get("x-refresh-token") not in self.tokens.issued:
            return self._unauthorized()
        name = self.world.company.subdomain
        return JSONResponse(
            {"id": ACCOUNT_ID, "subdomain": name, "domain": f"{name}.amocrm.ru", "top_level_domain": "ru"}
        )

    async def expire(self, request: Request) -> Response:
        self.tokens.expire()
        return JSONResponse({"ok": True})

    async def edit(self, request: Request) -> Response:
        """``{"id": lead, "delete": true}`` or ``{"id": lead, "price": 1, "status_id": 2, "by": user}``."""
        body = await request.json()
        lead_id, by = int(body.pop("id", 0)), int(body.pop("by", 0))
        if lead_id not in self.world.deals:
            return JSONResponse({"error": f"no lead {lead_id}"}, 404)
        if body.pop("delete", False):
            self.world.delete_lead(lead_id, by=by)
        else:
            self.world.edit_lead(lead_id, by=by, **body)
        return JSONResponse({"ok": True})


def _gateway(status: int, reason: str) -> Response:
    body = HTML % (status, reason.encode(), status, reason.encode())
    return Response(body, status, media_type="text/html")


def _nothing(request: Request) -> Response:
    return Response(status_code=204)


def _unknown(request: Request) -> Response:
    return problem(404, f"Cannot GET {request.url.path}", "Not Found")
