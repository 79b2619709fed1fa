"""An OpenAI-compatible server: it lists its model and says plainly that it cannot chat."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.wire import instrument
from sandbox.world import World

MODEL = "sandbox-reader"


def api_key(seed: int) -> str:
    return f"sk-sandbox-{hashlib.sha256(f'llm|{seed}'.encode()).hexdigest()[:32]}"


def build_app(world: World, journal: Journal, faults: Faults) -> ASGIApp:
    """The server as an ASGI app, journal and faults included."""

    def errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
        return "application/json", {
            "error": {"message": detail, "type": "api_error", "param": None, "code": status, **more}
        }

    faults.bind(errors=errors)
    key = api_key(world.company.seed)

    def authorised(request: Request) -> bool:
        return request.headers.get("authorization") == f"Bearer {key}"

    async def models(request: Request) -> Response:
        if not authorised(request):
            return JSONResponse(errors(401, "Incorrect API key provided", {})[1], 401)
        return JSONResponse(
            {
                "object": "list",
                "data": [{"id": MODEL, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"}],
            }
        )

    async def chat(request: Request) -> Response:
        if not authorised(request):
            return JSONResponse(errors(401, "Incorrect API key provided", {})[1], 401)
        return JSONResponse(errors(501, f"{MODEL} cannot answer chats", {})[1], 501)

    routes = [Route("/v1/models", models), Route("/v1/chat/completions", chat, methods=["POST"])]
    return instrument(Starlette(routes=routes), journal, faults)
