"""The web process: our FastAPI app with the guard around it, the REST API, the plain pages, NiceGUI mounted last.

``build()`` makes the app without touching network or database; ``run()`` serves it. One process only: an open page
lives in the memory of the process that drew it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from app import auth, layout, middleware, nicegui_patches, routes, static_pages
from app.api import v1
from app.dagster_proxy import DagsterProxy
from app.live import live
from app.pages import register_all
from synkro.core.errors import ConfigurationError, SynkroError
from synkro.core.settings import settings
from synkro.database import app_login
from synkro.runs import dagster_ui

logger = logging.getLogger("synkro.app")

#: a slow mobile network and nginx's reloads fit into it
RECONNECT_SECONDS = 15.0


def build() -> FastAPI:
    """The ASGI app; raises :class:`ConfigurationError` for a missing or weak ``SYNKRO_WEB_SECRET`` or ``SYNKRO_DAGSTER_KEY``."""
    auth.web_secret()
    dagster_ui.key()
    dagster_ui.address()
    parent = FastAPI(
        title="Synkro",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_lifespan,
    )
    parent.add_middleware(middleware.Guard)
    parent.mount("/static", StaticFiles(directory=static_pages.THEME), name="static")
    parent.state.dagster = DagsterProxy()
    parent.mount(dagster_ui.PREFIX, parent.state.dagster, name="dagster")
    parent.include_router(v1.router)
    parent.include_router(routes.router)
    parent.add_exception_handler(SynkroError, v1.on_synkro_error)
    parent.add_exception_handler(HTTPException, _on_http_error)
    parent.add_exception_handler(RequestValidationError, _on_bad_request)
    register_all()
    layout.install()
    nicegui_app.exception_handler(404)(_on_http_error)
    nicegui_app.exception_handler(RequestValidationError)(_on_bad_request)
    ui.run_with(
        parent,
        title="Synkro",
        favicon=static_pages.THEME / "icon.svg",
        dark=None,
        language="ru",
        reconnect_timeout=RECONNECT_SECONDS,
        tailwind=False,
        show_welcome_message=False,
    )
    nicegui_patches.websocket_only()
    ui.add_head_html(static_pages.head_links(), shared=True)
    middleware.guard_socket_events()
    return parent


@asynccontextmanager
async def _lifespan(parent: FastAPI) -> AsyncIterator[None]:
    loops = (live.poll_forever, live.reap_forever, middleware.recheck_forever, auth.write_failures_forever)
    tasks = [asyncio.create_task(forever()) for forever in loops]
    yield
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    await parent.state.dagster.close()


async def _on_http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    if request.url.path.startswith("/api/"):
        kind = "not_found" if status == 404 else "refused"
        message = "Не найдено." if status == 404 else "Метод не поддерживается."
        return JSONResponse({"error": {"kind": kind, "message": message}}, status)
    return static_pages.not_found() if status == 404 else static_pages.refused("Метод не поддерживается.", status)


async def _on_bad_request(request: Request, error: Exception) -> Response:
    """A path or query that does not even parse is, for a page, a page that is not there."""
    if not request.url.path.startswith("/api/"):
        return static_pages.not_found()
    fields = [".".join(map(str, e["loc"])) for e in error.errors()] if isinstance(error, RequestValidationError) else []
    return JSONResponse(
        {"error": {"kind": "data", "message": f"Неверные поля запроса: {', '.join(fields)}.", "fields": fields}}, 422
    )


def run(host: str | None = None, port: int | None = None) -> None:
    """Serve until stopped; raises :class:`ConfigurationError` when the port is taken or the policies do not hold the database's login back."""
    host, port = host or settings().host, port or settings().port
    app_login.check()
    listener = _listen(host, port)
    config = uvicorn.Config(
        build(),
        log_level=settings().log_level.lower(),
        log_config=None,
        access_log=False,
        server_header=False,
        workers=1,
        ws_max_size=262_144,
        timeout_graceful_shutdown=5,
    )
    logger.info("Synkro listens on http://%s:%s", host, port)
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns Nagle's delay off for a socket that names its protocol: 40 ms less an answer
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"Порт {port} на {host} занят или недоступен. Остановите программу, которая его держит, "
            f"или выберите другой: --port {port + 1} (или SYNKRO_PORT).",
            detail=str(error),
        ) from None
    return listener
