"""The middleware of the web process: every request and every socket passes here first.

Requests: security headers on every answer; only our own names in ``Host``; a write needs an ``Origin`` of ours; no session
means the sign-in page (or 401 JSON for the API); a person with a one-time password sees the password page alone; an
unexpected error becomes a page with an id, and the traceback goes to the log.

Sockets: NiceGUI itself accepts any Origin without a cookie, given a ``client_id``. Here a handshake needs our Origin, a
living session, and the page must have been opened by that very session; Dagster's socket needs the same, and
:mod:`app.dagster_proxy` asks whose it is. Every later event is checked against the list
of living sessions, which is read anew every :data:`RECHECK_SECONDS`: sign-out or a disabled account closes open pages.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID

import psycopg
from nicegui import Client, core
from starlette.datastructures import Headers, MutableHeaders, State
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import auth, nicegui_patches, static_pages, texts
from app.offload import off_loop
from synkro.accounts import sessions
from synkro.core.errors import AuthenticationError, TransientError
from synkro.core.settings import settings
from synkro.database import db
from synkro.runs import dagster_ui
from synkro.tenancy import invitations, users

logger = logging.getLogger("synkro.app")

RECHECK_SECONDS = 2.0
MAX_BODY = 1_000_000
#: files that an open page sends: a bound of all of one choice, beside that of each file
MAX_UPLOAD = 100_000_000
_UPLOAD = re.compile(r"/_nicegui/client/([0-9a-f-]{36})/upload/[0-9]{1,9}")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_SOCKET = "/_nicegui_ws"
#: between the password and the session: a cookie of their own says who is there
STEPS = ("/login/code", "/login/second-factor")
_BAD_INPUT = "В запросе недопустимое значение: таких знаков или чисел здесь не бывает."

HEADERS = {
    # Vue compiles templates in the browser, so NiceGUI needs both unsafe words; nothing is loaded from elsewhere
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline';"
        " img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none';"
        " form-action 'self'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
#: Dagster's pages start workers of their own scripts
DAGSTER_POLICY = HEADERS["Content-Security-Policy"] + "; worker-src 'self' blob:"
#: its scripts have their contents' hash in the name
_DAGSTER_SCRIPTS = f"{dagster_ui.PREFIX}/_next/static/"
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def is_asset(path: str) -> bool:
    """Versioned files of the interface: the same for everybody, so they may be cached and need no session."""
    return path.startswith(("/static/", "/_nicegui/")) and "/client/" not in path and "/auto/" not in path


def _is_open(path: str) -> bool:
    return (
        is_asset(path)
        or path in ("/login", *STEPS, "/forgot", "/auth/confirm", "/api/health", "/favicon.ico")
        or path.startswith(f"{invitations.PATH}/")
    )


def origin_allowed(origin: str | None, scheme: str, host: str) -> bool:
    """The page's own origin, as the browser addressed us or as the operator configured it."""
    if not origin or origin == "null":
        return False
    return origin.lower() in {f"{scheme}://{host}".lower(), settings().base_url.lower()}


def host_allowed(headers: Headers) -> bool:
    """One ``Host``, and a name of ours: a foreign name that leads to this machine would make its page's origin ours."""
    named = headers.getlist("host")
    if len(named) != 1 or not named[0].isascii():
        return False
    try:
        parts = urlsplit(f"//{named[0]}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return False
    # what stands beside a name and a port is read differently by different readers
    if name is None or parts.netloc != named[0] or "@" in named[0]:
        return False
    own = urlsplit(settings().base_url).hostname
    return name in LOOPBACK or name == own or name in {one.lower() for one in settings().allowed_hosts}


class Guard:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, _with_headers(scope, send))
        elif scope["type"] == "websocket":
            if not host_allowed(Headers(scope=scope)):
                await _close(receive, send)
            elif scope["path"] == dagster_ui.GRAPHQL:
                await self._dagster(scope, receive, send)
            else:
                await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            answer = _misnamed(scope) or await self._admit(scope)
            if answer is not None:
                await answer(scope, receive, watched)
            else:
                await self.app(scope, receive, watched)
        except Exception as error:
            error_id = report_error(error)
            if started:
                raise
            await _broken(scope, error, error_id)(scope, receive, watched)

    async def _admit(self, scope: Scope) -> Response | None:
        """An answer that ends the request here, or ``None``: go on, with ``request.state.caller`` set."""
        path, method = scope["path"], scope["method"]
        headers = Headers(scope=scope)
        is_api = path.startswith("/api/")
        scope.setdefault("state", {})
        texts.speak("ru")
        if method == "TRACE" or (path.startswith(_SOCKET) and not path.startswith("/_nicegui/")):
            # pages talk by WebSocket only: its handshake always names an Origin, long polling does not
            return JSONResponse({"error": {"kind": "refused", "message": "Метод не поддерживается."}}, 405)
        if "\0" in path or b"%00" in scope.get("query_string", b""):
            # no name of ours has it and no column takes it
            return _refuse(is_api, 422, "data", _BAD_INPUT) if is_api else static_pages.not_found()
        token = auth.bearer_in(headers.get("authorization")) if is_api and not _is_open(path) else None
        if method not in _SAFE:
            # a browser sends no token by itself: a page of somebody else cannot write with one
            if token is None and not origin_allowed(headers.get("origin"), scope["scheme"], headers.get("host", "")):
                return _refuse(is_api, 403, "origin", "Запрос пришёл с чужой страницы. Откройте Synkro и повторите.")
            if (
                "transfer-encoding" in headers
                or not headers.get("content-length", "0").isdigit()
                or int(headers.get("content-length", "0")) > (MAX_UPLOAD if _UPLOAD.fullmatch(path) else MAX_BODY)
            ):
                return _refuse(is_api, 413, "too_large", "Слишком большой запрос.")
        # a program asks, be it Dagster's page: it wants no page of ours
        is_api = is_api or path == dagster_ui.GRAPHQL
        if is_asset(path):
            return None
        if token is not None:
            try:
                caller: auth.Caller | None = await off_loop(auth.identify_token, token)
            except AuthenticationError as error:
                return _refuse(True, 401, error.kind, error.message)
        else:
            caller = await off_loop(auth.identify, auth.session_in(headers.get("cookie")))
        scope["state"]["caller"] = caller
        if caller is not None:
            texts.speak(caller.user.language)
        if _is_open(path):
            return None
        if caller is None:
            if is_api:
                return _refuse(True, 401, "authentication", "Войдите в Synkro.")
            query = scope.get("query_string", b"").decode("latin-1")
            wanted = quote(path) + (f"?{query}" if query else "")
            return RedirectResponse(f"/login?next={quote(auth.safe_next(wanted), safe='')}", 303)
        if caller.must_set_password and path not in ("/profile/password", "/logout"):
            if is_api:
                return _refuse(True, 403, "password", "Сначала смените одноразовый пароль.")
            return RedirectResponse("/profile/password", 303)
        if (page := _UPLOAD.fullmatch(path)) and owner_of(page[1]) != caller.session_id:
            return _refuse(True, 403, "forbidden", "Эта страница открыта в другом сеансе. Откройте её заново.")
        return None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scheme = "https" if scope.get("scheme") in ("wss", "https") else "http"
        caller = None
        if scope["path"].startswith(_SOCKET) and origin_allowed(headers.get("origin"), scheme, headers.get("host", "")):
            caller = await off_loop(auth.identify, auth.session_in(headers.get("cookie")))
        if caller is not None and not caller.must_set_password:
            client_id = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("client_id", [""])[0]
            if owner_of(client_id) in (caller.session_id, None):
                scope.setdefault("state", {})["caller"] = caller
                texts.speak(caller.user.language)
                watch.add(caller.session_id)
                await self.app(scope, receive, send)
                return
        await _close(receive, send)

    async def _dagster(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Dagster's socket has no page of ours: whose it is, and that it ends in time, is the proxy's business."""
        headers = Headers(scope=scope)
        scheme = "https" if scope.get("scheme") in ("wss", "https") else "http"
        caller = None
        if origin_allowed(headers.get("origin"), scheme, headers.get("host", "")):
            caller = await off_loop(auth.identify, auth.session_in(headers.get("cookie")))
        if caller is None or caller.must_set_password:
            await _close(receive, send)
            return
        scope.setdefault("state", {})["caller"] = caller
        texts.speak(caller.user.language)
        await self.app(scope, receive, send)


def _misnamed(scope: Scope) -> Response | None:
    """The refusal of a request under a name that is not ours."""
    if host_allowed(Headers(scope=scope)):
        return None
    texts.speak("ru")
    path = scope["path"]
    return _refuse(path.startswith("/api/") or path == dagster_ui.GRAPHQL, 421, "host", texts.t("refused.host"))


async def _close(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008})


def _with_headers(scope: Scope, send: Send) -> Send:
    path = scope["path"]

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if path.startswith(f"{dagster_ui.PREFIX}/"):
                headers["Content-Security-Policy"] = DAGSTER_POLICY
            if auth.is_https():
                headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
            if is_asset(path) and message["status"] == 200:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
            elif path.startswith(_DAGSTER_SCRIPTS) and message["status"] == 200:
                headers["Cache-Control"] = "private, max-age=86400, immutable"
            else:
                headers["Cache-Control"] = "no-store"
        await send(message)

    return wrapped


def _refuse(is_api: bool, status: int, kind: str, message: str) -> Response:
    if is_api:
        return JSONResponse({"error": {"kind": kind, "message": message}}, status)
    return static_pages.refused(message, status)


def is_bad_input(error: BaseException) -> bool:
    """A value no column takes (NUL, half a character, a number beyond all bounds) is the asker's, not an error of ours."""
    return isinstance(error, psycopg.DataError | UnicodeError | OverflowError)


def _broken(scope: Scope, error: Exception, error_id: str) -> Response:
    if is_bad_input(error):
        return _refuse(scope["path"].startswith("/api/"), 422, "data", _BAD_INPUT)
    if isinstance(error, TransientError):
        if scope["path"].startswith("/api/"):
            return JSONResponse({"error": {"kind": error.kind, "message": error.message, "id": error_id}}, 503)
        return static_pages.refused(error.message, 503)
    if scope["path"].startswith("/api/"):
        return JSONResponse(
            {"error": {"kind": "internal", "message": texts.t("server_error.text"), "id": error_id}}, 500
        )
    return static_pages.server_error(error_id)


def report_error(error: BaseException) -> str:
    """Log an unexpected error; returns the id to show."""
    error_id = secrets.token_hex(4)
    logger.error("Error %s", error_id, exc_info=error)
    return error_id


# --- sockets ----------------------------------------------------------------------------------------------


def owner_of(client_id: str) -> str | None:
    """The session that opened this page, or ``None`` for a page that is gone."""
    client = Client.instances.get(client_id)
    if client is None:
        return None
    caller = getattr(client.request.state, "caller", None)
    return caller.session_id if caller else ""


class Watch:
    """Sessions with an open page, and which of them still live."""

    def __init__(self) -> None:
        self._sessions: set[str] = set()
        self._touched: set[str] = set()
        #: sockets without a page of ours: what ends each, and whose it is
        self._held: dict[asyncio.Event, auth.Caller] = {}

    @contextmanager
    def hold(self, caller: auth.Caller) -> Iterator[asyncio.Event]:
        """A socket of an operator beside the pages; the event says that it must end: session over, or no operator any more."""
        ended = asyncio.Event()
        self._held[ended] = caller
        try:
            yield ended
        finally:
            del self._held[ended]

    def add(self, session_id: str) -> None:
        self._sessions.add(session_id)

    def touch(self, session_id: str) -> None:
        """A person did something on the page: their idle clock starts anew."""
        self._touched.add(session_id)

    def is_living(self, session_id: str | None) -> bool:
        return session_id in self._sessions

    async def recheck(self) -> None:
        """One query for all; pages of dead sessions are sent to the sign-in page and cut off."""
        touched, self._touched = self._touched & self._sessions, set()
        for session_id in touched:
            await off_loop(sessions.of, session_id)
        known, held = frozenset(self._sessions), dict(self._held)
        living = await off_loop(sessions.living, known | {caller.session_id for caller in held.values()})
        dead = known - (living or set())
        self._sessions -= dead
        operators = await off_loop(_operators, [caller.user.user_id for caller in held.values()]) if held else set()
        for ended, caller in held.items():
            if caller.session_id not in living or caller.user.user_id not in operators:
                ended.set()
        open_now = set()
        for client in list(Client.instances.values()):
            owner = owner_of(client.id)
            if owner in dead and client.has_socket_connection:
                client.open("/login")
                asyncio.get_running_loop().call_later(1.0, client.delete)
            open_now.add(owner)
        self._sessions -= {session_id for session_id in known if session_id not in open_now}
        pace.keep(self._sessions)


def _operators(user_ids: list[UUID]) -> set[UUID]:
    with db.as_service("dagster") as connection:
        return users.operators(connection, user_ids)


watch = Watch()


class Pace:
    """How often one session may say something over its sockets: a burst of typing is far below, a loop is above."""

    BURST, PER_SECOND = 200.0, 50.0
    #: so many dropped in a row cut the socket off
    PATIENCE = 1000

    def __init__(self) -> None:
        #: session → events left, when they were counted, dropped in a row
        self._left: dict[str, tuple[float, float, int]] = {}

    def take(self, session_id: str) -> int:
        """0: go on; else how many in a row were dropped, this one included."""
        now = time.monotonic()
        left, at, dropped = self._left.get(session_id, (self.BURST, now, 0))
        left = min(self.BURST, left + (now - at) * self.PER_SECOND)
        if left < 1:
            self._left[session_id] = left, now, dropped + 1
            return dropped + 1
        self._left[session_id] = left - 1, now, 0
        return 0

    def keep(self, session_ids: Iterable[str]) -> None:
        """Forget the sessions whose pages are closed."""
        for gone in self._left.keys() - set(session_ids):
            del self._left[gone]


pace = Pace()


async def recheck_forever() -> None:
    while True:
        await asyncio.sleep(RECHECK_SECONDS)
        try:
            await watch.recheck()
        except Exception as error:
            logger.warning("Sessions could not be read again: %s", error)


def _caller_of(sid: str) -> auth.Caller | None:
    environ = core.sio.get_environ(sid) or {}
    state: Any = environ.get("asgi.scope", {}).get("state", {})
    return state.get("caller") if isinstance(state, dict | State) else None


def guard_socket_events() -> None:
    """Put a check before each of NiceGUI's socket handlers: this session, alive, and its own page."""
    nicegui_patches.guard_socket_events(_guarded)


#: what a person, or a program in a person's name, makes happen; an ack follows what we sent
_PACED = ("event", "javascript_response", "log")


def _guarded(name: str, inner: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def handler(sid: str, message: dict[str, Any]) -> Any:
        caller = _caller_of(sid)
        client_id = message.get("client_id", "") if isinstance(message, dict) else ""
        if (
            caller is None
            or not watch.is_living(caller.session_id)
            or (client_id in Client.instances and owner_of(client_id) != caller.session_id)
        ):
            await core.sio.disconnect(sid)
            return False
        if name in _PACED and (dropped := pace.take(caller.session_id)):
            if dropped == 1 or dropped >= pace.PATIENCE:
                logger.warning("Too many events of one session, dropped in a row: %s", dropped)
            if dropped >= pace.PATIENCE:
                await core.sio.disconnect(sid)
            return False
        if name == "event":
            watch.touch(caller.session_id)
        result = inner(sid, message)
        return await result if asyncio.iscoroutine(result) else result

    handler.guarded = True  # type: ignore[attr-defined]
    return handler
