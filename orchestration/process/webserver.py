"""Dagster's web server behind a key: it has no sign-in, takes mutations by GET and asks nobody where a request comes from.

``python -m orchestration.process.webserver`` takes the arguments of ``dagster-webserver`` and is it in everything but one: whoever does
not show the key of :mod:`synkro.runs.dagster_ui` is refused. So a page of somebody else in a browser on this machine, and a
neighbour in the containers' network, reach nothing; people come by the app's proxy, which knows who they are.
"""

from __future__ import annotations

import hmac
import sys
from typing import Any

from orchestration import dagster_patches
from synkro.runs import dagster_ui

_REFUSAL = b"Dagster is shown by the app, to operators (SYNKRO_DAGSTER_KEY)."


class BehindKey:
    """ASGI middleware: requests and sockets without the key end here."""

    def __init__(self, app: Any, key: str) -> None:
        self.app = app
        self._key = key.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_let_in(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(_REFUSAL))]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})

    def _is_let_in(self, scope: Any) -> bool:
        if scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == dagster_ui.IS_UP:
            return True
        shown = [value for name, value in scope["headers"] if name == dagster_ui.KEY_HEADER.encode()]
        return len(shown) == 1 and hmac.compare_digest(shown[0], self._key)


def main() -> None:
    key = dagster_ui.key()
    dagster_patches.serve_pages(lambda app: BehindKey(app, key), sys.argv[1:])


if __name__ == "__main__":
    main()
