"""Radist.Online API v2 as a server: sources, contacts with their dialogs behind a cursor, messages behind ``until``.

Kept: ``X-Api-Key``, the company in the path, 307 to the slashed path, newest first, the four spellings of a time, one
second limit on listings of chats and contacts, JSON without a charset. Anything but GET is 405 and a violation.
``POST /_inject`` adds a message to a dialog. Unproven facts of the vendor are switches, see ``SWITCHES``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.middleware import instrument
from sandbox.faults.request_log import RequestLog
from sandbox.vendors.radist.rows import bare_contact, contact_row, message_row

COMPANY_ID = 1001
MAX_LIMIT = 100
SWITCHES: dict[str, Any] = {
    "last_cursor": "null",  # or empty, missing: how the last page says it is the last
    "until_inclusive": True,
    "messages_order": "newest",  # or oldest: order inside a page, the page is always the newest
    "listing_order": "newest",  # or none: contacts come in no order
    "missing_slash": "redirect",  # or not_found
    "sources": "usual",  # or empty, or null: one source without a connection_id
    "companies": 1,  # 2: the key sees a second company
    "bare_contact": "none",  # empty or null: the listing ends with a contact without dialogs, [] or null
    "revoked": False,  # the key is refused
    "scope": True,  # off: 403, the key has no messaging scope
    "retry_after": False,  # 429 with a Retry-After header
}


def api_key(seed: int) -> str:
    """86 URL-safe characters that begin with a minus, as real keys may."""
    raw = hashlib.sha512(f"radist|{seed}".encode()).digest()
    return "-" + base64.urlsafe_b64encode(raw).decode().rstrip("=")[:85]


def build_app(world: World, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """The server as an ASGI app, request log and faults included."""

    def errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
        return "application/json", {"detail": detail, **more}

    def drift(records: list[Any]) -> None:
        """Somebody far down the listing writes: he jumps to the top, the walk misses him and sees a row twice."""
        _, chats, _ = min(world.talking(world.now()), key=lambda row: row[2])
        world.say(chats[0].id, "Добрый день, ещё вопрос")

    faults.bind(errors=errors, switches=SWITCHES, rates={"all": 5.0, "listings": 1.0}, hooks={"page_drift": drift})
    server = Server(world, request_log, faults)
    return instrument(Starlette(routes=server.routes()), request_log, faults)


class Refused(Exception):
    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status, self.detail = status, detail


class Server:
    """One entry point, one table of pages."""

    def __init__(self, world: World, request_log: RequestLog, faults: Faults) -> None:
        self.world, self.request_log, self.faults, self.switches = world, request_log, faults, faults.switches
        self.key = api_key(world.company.seed)

    def routes(self) -> list[Route]:
        every = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        return [Route("/_inject", self.inject, methods=["POST"]), Route("/{path:path}", self.door, methods=every)]

    async def inject(self, request: Request) -> Response:
        """``{"chat_id", "text", "kind": client|manager|bot, "at": ISO, "author_id"}``: a new or a late message."""
        body = await request.json()
        if body.get("chat_id") not in self.world.chats:
            return JSONResponse({"error": f"no chat {body.get('chat_id')}"}, 404)
        at = datetime.fromisoformat(body["at"]) if body.get("at") else None
        message = self.world.say(
            body["chat_id"], body.get("text"), kind=body.get("kind", "client"), at=at, author_id=body.get("author_id")
        )
        return JSONResponse({"message_id": message.id})

    async def door(self, request: Request) -> Response:
        if request.method != "GET":
            self.request_log.violation(request.method, request.url.path, "Radist is read-only for this client")
            return JSONResponse({"detail": "Method Not Allowed"}, 405)
        try:
            return self.answer(request)
        except Refused as refused:
            return JSONResponse({"detail": refused.detail}, refused.status)

    def answer(self, request: Request) -> Response:
        path = request.url.path
        if not path.startswith("/v2/"):
            raise Refused(404, "Not Found")
        if path.endswith(("/users/me", "/docs")) or path.rsplit("/", 1)[-1].isdigit():
            page = path
        elif not path.endswith("/"):
            if self.switches["missing_slash"] != "redirect":
                raise Refused(404, "Not Found")
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{path}/{query}", 307)
        else:
            page = path
        listing = "/messaging/chats/" in page or "/contacts/" in page
        if not self.faults.allow("all") or (listing and not self.faults.allow("listings")):
            headers = {"Retry-After": "1"} if self.switches["retry_after"] else {}
            return JSONResponse({"detail": "Too Many Requests"}, 429, headers)
        if self.switches["revoked"] or request.headers.get("x-api-key") != self.key:
            raise Refused(401, "Invalid API key")
        parts = [part for part in page.removeprefix("/v2/").split("/") if part]
        return self.page(request, parts)

    def page(self, request: Request, parts: list[str]) -> Response:
        if parts == ["users", "me"]:
            return _json({"id": 4001, "name": "Интеграция", "email": f"api@{self.world.company.subdomain}.example"})
        if parts == ["companies"]:
            offset, limit = _number(request, "offset", 0, 10_000), _number(request, "limit", 100, MAX_LIMIT)
            second = (
                [{"id": 1002, "name": f"{self.world.company.name} (филиал)"}] if self.switches["companies"] == 2 else []
            )
            return _json(
                {"companies": [{"id": COMPANY_ID, "name": self.world.company.name}, *second][offset : offset + limit]}
            )
        if len(parts) < 3 or parts[0] != "companies" or parts[1] != str(COMPANY_ID):
            raise Refused(404, "Not Found")
        rest = parts[2:]
        if rest[0] == "messaging" and not self.switches["scope"]:
            raise Refused(403, "Not enough permissions")
        if rest == ["connections"]:
            return _json(
                {
                    "connections": [self.connection(c.id) for c in self.world.company.connections]
                    + [self.connection(502)]
                }
            )
        if len(rest) == 2 and rest[0] == "connections":
            return _json(self.connection(int(rest[1]) if rest[1].isdigit() else 0))
        if rest == ["contacts"]:
            return _json({"items": self.contacts()[: _number(request, "limit", 100, MAX_LIMIT)]})
        if rest == ["messaging", "chats", "sources"]:
            return _json(self.sources())
        if rest == ["messaging", "chats", "with_contacts"]:
            return self.with_contacts(request)
        if rest == ["messaging", "messages"]:
            return self.messages(request)
        if rest == ["messaging", "files"]:
            return _json({"url": f"https://files.example/{request.query_params.get('message_id', '')}"})
        raise Refused(404, "Not Found")

    # --- the account --------------------------------------------------------------------------------------------

    def connection(self, connection_id: int) -> dict[str, Any]:
        if connection_id == 502:
            return {"id": 502, "type": "amocrm", "params": {"domain": f"{self.world.company.subdomain}.example"}}
        found = next((c for c in self.world.company.connections if c.id == connection_id), None)
        if found is None:
            raise Refused(404, "Not Found")
        return {"id": found.id, "type": found.type, "name": found.name, "params": {"phone": found.phone}}

    def sources(self) -> list[dict[str, Any]]:
        if self.switches["sources"] == "empty":
            return []
        extra = [{"connection_id": None, "type": "avito"}] if self.switches["sources"] == "null" else []
        return [{"connection_id": c.id, "type": c.type} for c in self.world.company.connections] + extra

    def contacts(self) -> list[dict[str, Any]]:
        found = []
        for contact, chats, _ in self.world.talking(self.world.now()):
            phones = sorted({chat.phone for chat in chats if chat.phone})
            found.append(
                {
                    "id": contact.id,
                    "name": contact.name,
                    "phones": [{"type": "work", "value": phone} for phone in phones],
                }
            )
        return sorted(found, key=lambda row: -row["id"])

    # --- dialogs ------------------------------------------------------------------------------------------------

    def with_contacts(self, request: Request) -> Response:
        """One row a contact, newest first; the cursor is a position in the live listing, so the listing can drift."""
        limit = _number(request, "limit", MAX_LIMIT, MAX_LIMIT) * int(request.scope.get("sandbox.oversize", 1))
        offset = _offset(request.query_params.get("cursor"))
        now = self.world.now()
        found = sorted(self.world.talking(now), key=lambda row: (row[2], row[0].id), reverse=True)
        if self.switches["listing_order"] != "newest":
            random.Random(len(found)).shuffle(found)
        page = [contact_row(self.world, *row, now) for row in found[offset : offset + limit]]
        total = len(found)
        if self.switches["bare_contact"] != "none":
            total += 1
            if offset < total <= offset + limit:
                page.append(bare_contact(found[-1][2], None if self.switches["bare_contact"] == "null" else []))
        following = _cursor(offset + limit) if offset + limit < total else None
        meta: dict[str, Any] | None = {"next_cursor": following}
        if following is None and self.switches["last_cursor"] == "empty":
            meta = {"next_cursor": ""}
        payload: dict[str, Any] = {"data": page}
        if following is not None or self.switches["last_cursor"] != "missing":
            payload["response_metadata"] = meta
        return _json(payload)

    def messages(self, request: Request) -> Response:
        """The newest ``limit`` messages at or before ``until``; a larger limit is silently cut to 100."""
        raw = request.query_params.get("chat_id")
        if not raw or not raw.isdigit():
            detail = {"loc": ["query", "chat_id"], "msg": "field required", "type": "value_error.missing"}
            raise Refused(422, [detail])
        chat, now = self.world.chats.get(int(raw)), self.world.now()
        if chat is None:
            return _json([])
        limit = _number(request, "limit", MAX_LIMIT, MAX_LIMIT) * int(request.scope.get("sandbox.oversize", 1))
        until = _moment(request.query_params.get("until"))
        found = self.world.messages(chat, now)
        connection = request.query_params.get("connection_id")
        if connection and connection != str(chat.connection_id):
            found = []
        if until is not None:
            inclusive = self.switches["until_inclusive"]
            found = [m for m in found if m.at < until or (inclusive and m.at == until)]
        page = found[-limit:]
        if self.switches["messages_order"] == "newest":
            page = page[::-1]
        return _json([message_row(chat, message, now) for message in page])


def _json(payload: Any) -> Response:
    """UTF-8 without saying so."""
    return Response(json.dumps(payload, ensure_ascii=False).encode(), headers={"content-type": "application/json"})


def _number(request: Request, name: str, default: int, largest: int) -> int:
    raw = request.query_params.get(name)
    if raw is None:
        return default
    if not raw.isdigit() or (name == "limit" and int(raw) < 1):
        raise Refused(
            422, [{"loc": ["query", name], "msg": "value is not a valid integer", "type": "type_error.integer"}]
        )
    return min(int(raw), largest)


def _moment(raw: str | None) -> datetime | None:
    if not raw:
        return None
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise Refused(
            422, [{"loc": ["query", "until"], "msg": "invalid datetime format", "type": "value_error.datetime"}]
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(json.dumps({"o": offset}).encode()).decode()


def _offset(cursor: str | None) -> int:
    if not cursor:
        return 0
    try:
        return int(json.loads(base64.urlsafe_b64decode(cursor))["o"])
    except (ValueError, KeyError, TypeError):
        raise Refused(422, [{"loc": ["query", "cursor"], "msg": "invalid cursor", "type": "value_error"}]) from None
