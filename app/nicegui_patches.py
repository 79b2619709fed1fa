"""Everything in which we lean on NiceGUI's insides, and what happens where they have changed.

Measured on nicegui 3.18.0; pyproject.toml bounds it from above. The guard of the socket's events is what keeps a page to its
session: an app that cannot put it there does not start (``tests/app/test_nicegui_patches.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from nicegui import core

from synkro.core.errors import ConfigurationError

logger = logging.getLogger("synkro.app")

#: what a browser sends over the socket, by NiceGUI's own names
EVENTS = ("handshake", "event", "javascript_response", "ack", "log")


def websocket_only() -> None:
    """Let pages talk by WebSocket from the start: long polling sends no Origin with GET and is refused by the guard.

    Without this key a browser may ask once in vain before it opens its socket.
    """
    config: Any = getattr(core.app, "config", None)
    if hasattr(config, "socket_io_js_transports"):
        config.socket_io_js_transports = ["websocket"]
    else:
        logger.warning("this NiceGUI chooses its transports itself")


def guard_socket_events(guarded: Callable[[str, Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put ``guarded(name, handler)`` in the place of each handler of the socket, once. NiceGUI has no middleware there.

    Raises :class:`ConfigurationError` where the handlers are elsewhere.
    """
    handlers: dict[str, Callable[..., Any]] = getattr(core.sio, "handlers", {}).get("/", {})
    if missing := sorted(set(EVENTS) - set(handlers)):
        raise ConfigurationError(
            "Эта версия NiceGUI не даёт проверять события страниц: приложение не запущено. Поставьте версию из requirements.lock.",
            detail=f"no handlers of {', '.join(missing)}",
        )
    for name in EVENTS:
        if not hasattr(handlers[name], "guarded"):
            handlers[name] = guarded(name, handlers[name])
