"""The Telegram Bot API as a server: what a report bot sends and how it hears its readers.

Kept: token in the path (401, never in the request log), JSON and form and multipart bodies, HTML and length checks, chats
that are blocked, kicked, migrated or unknown, reply targets, 1 message a second in a chat and 20 a minute in a group,
long polling with both kinds of 409, privacy mode. Hooks: ``GET|DELETE /_sent``, ``POST /_inject``, ``GET|POST /_chats``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.company.world import World
from sandbox.faults.catalogue import Faults
from sandbox.faults.middleware import instrument
from sandbox.faults.request_log import RequestLog
from sandbox.vendors.telegram.bot import Bot
from sandbox.vendors.telegram.chats import Refused, bot_token, failure
from sandbox.vendors.telegram.hooks import Hooks
from sandbox.vendors.telegram.text import BadText
from sandbox.vendors.telegram.updates import Conflict

SWITCHES: dict[str, Any] = {"privacy": True, "bot_is_admin": False, "retry_after": 0, "revoked": False}
MIGRATED = "group chat was upgraded to a supergroup chat"


def build_app(world: World, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """The server as an ASGI app, request log and faults included."""

    def errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
        after = {"retry_after": more["retry_after"]} if "retry_after" in more else {}
        text = f"{detail}: retry after {after['retry_after']}" if after else detail
        return "application/json", failure(status, text, after)[0]

    faults.bind(errors=errors, switches=SWITCHES, rates={"overall": 30.0, "chat": 1.0, "group_per_minute": 20.0})
    bot = Bot(world.company.seed, faults, world.now)
    hooks, entry = Hooks(bot), EntryPoint(bot_token(world.company.seed), bot)
    routes = [
        Route("/_sent", hooks.sent_page, methods=["GET", "DELETE"]),
        Route("/_inject", hooks.inject_page, methods=["POST"]),
    ]
    routes += [
        Route("/_chats", hooks.chats_page, methods=["GET", "POST"]),
        Route("/bot{token}/{method}", entry.enter, methods=["GET", "POST"]),
    ]
    return instrument(Starlette(routes=routes), request_log, faults)


class EntryPoint:
    """Who may come in and which method is meant."""

    def __init__(self, token: str, bot: Bot) -> None:
        self.token, self.bot = token, bot

    async def enter(self, request: Request) -> Response:
        """``/bot<token>/<method>``; method names are case-insensitive."""
        token, name = request.path_params["token"], request.path_params["method"].lower()
        if token != self.token or self.bot.switches["revoked"]:
            malformed = ":" not in token
            body, status = failure(401, "Unauthorized: invalid token specified" if malformed else "Unauthorized")
            return JSONResponse(body, status)
        try:
            fields = await _fields(request)
            if name == "getupdates":
                return JSONResponse({"ok": True, "result": await self.bot.updates.poll(request, fields)})
            if name not in self.bot.methods:
                raise Refused(404, "Not Found: method not found")
            return JSONResponse({"ok": True, "result": self.bot.methods[name](fields)})
        except Conflict as conflict:
            body, status = failure(409, f"Conflict: {conflict}")
        except BadText as bad:
            body, status = failure(400, f"Bad Request: {bad}")
        except Refused as refused:
            body, status = failure(refused.status, refused.description, refused.parameters)
        headers = {"Retry-After": str(body["parameters"]["retry_after"])} if status == 429 else {}
        return JSONResponse(body, status, headers)


async def _fields(request: Request) -> dict[str, Any]:
    """Query, JSON, form or multipart; nested objects of a form are JSON strings, a file becomes a small record."""
    fields: dict[str, Any] = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if "json" in kind:
        try:
            fields |= await request.json()
        except (ValueError, TypeError):
            raise Refused(400, "Bad Request: can't parse JSON object") from None
    elif kind:
        for name, value in (await request.form()).items():
            if isinstance(value, UploadFile):
                data = await value.read()
                digest = hashlib.sha256(data).hexdigest()
                text = data.decode("utf-8", "replace") if len(data) < 200_000 else None
                fields[name] = {
                    "file_id": digest[:24],
                    "file_unique_id": digest[:12],
                    "file_name": value.filename,
                    "mime_type": value.content_type,
                    "file_size": len(data),
                    "content": text,
                }
            else:
                fields[name] = value
    for name in ("reply_parameters", "reply_markup", "link_preview_options", "entities", "commands", "allowed_updates"):
        if isinstance(fields.get(name), str) and fields[name]:
            try:
                fields[name] = json.loads(fields[name])
            except ValueError:
                raise Refused(400, f"Bad Request: can't parse {name} JSON object") from None
    return fields
