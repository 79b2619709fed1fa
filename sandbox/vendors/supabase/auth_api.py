"""The Auth API of a project over HTTP, under ``/auth/v1`` as the gateway shows it.

The gateway looks at the API key first (confirmed: ``No API key found in request`` and ``Invalid API key``, both 401), takes a
secret key in place of an administrator's token and refuses one from a browser. ``GET|DELETE /_sandbox/mails`` show and
forget the mails; ``/_journal`` and ``/_faults`` are the sandbox's own, the switches are :data:`sandbox.vendors.supabase.service.SWITCHES`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import psycopg
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.faults.catalogue import Faults
from sandbox.faults.middleware import instrument
from sandbox.faults.request_log import RequestLog
from sandbox.vendors.supabase import admin, mailing, sign_in
from sandbox.vendors.supabase.accounts import Connection
from sandbox.vendors.supabase.refusals import VERSION_HEADER, Refusal, broken
from sandbox.vendors.supabase.service import SWITCHES, Ask, Auth

PREFIX = "/auth/v1"
Handler = Callable[[Auth, Ask, Connection], Any]

PAGES: dict[tuple[str, str], Handler] = {
    ("POST", "/token"): sign_in.token,
    ("POST", "/logout"): sign_in.logout,
    ("GET", "/user"): sign_in.show,
    ("PUT", "/user"): sign_in.update,
    ("GET", "/reauthenticate"): sign_in.reauthenticate,
    ("POST", "/signup"): mailing.signup,
    ("POST", "/recover"): mailing.recover,
    ("POST", "/otp"): mailing.otp,
    ("POST", "/resend"): mailing.resend,
    ("POST", "/invite"): mailing.invite,
    ("POST", "/verify"): mailing.verify,
    ("GET", "/admin/users"): admin.users,
    ("POST", "/admin/users"): admin.users,
    ("POST", "/admin/generate_link"): admin.generate_link,
}


def build_app(auth: Auth, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """The API as an ASGI app, request log and faults included. ``auth.switches`` become those of ``faults``."""

    def errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
        # a fault sends no header of a version, so the older shape
        return "application/json", {"code": status, "error_code": "unexpected_failure", "msg": detail, **more}

    faults.bind(errors=errors, switches={**SWITCHES, **auth.switches})
    auth.switches = auth.limits.switches = faults.switches
    entry = EntryPoint(auth)
    routes = [
        Route("/_sandbox/mails", entry.mails, methods=["GET", "DELETE"]),
        Route(PREFIX + "/{page:path}", entry.enter, methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    return instrument(Starlette(routes=routes), request_log, faults)


class EntryPoint:
    """The gateway and the table of pages."""

    def __init__(self, auth: Auth) -> None:
        self.auth = auth

    async def mails(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.auth.mails.clear()
        return JSONResponse(json.loads(json.dumps([asdict(mail) for mail in self.auth.mails], default=str)))

    async def enter(self, request: Request) -> Response:
        page = "/" + request.path_params["page"].rstrip("/")
        if page == "/.well-known/jwks.json":
            return JSONResponse(self.auth.keys.published(), headers={"cache-control": "public, max-age=600"})
        is_link = (request.method, page) == ("GET", "/verify")
        role = None if is_link else self._role(request)
        if isinstance(role, Response):
            return role
        if page == "/health":
            about = "GoTrue is a user registration and authentication API"
            return JSONResponse({"version": "v2.197.0", "name": "GoTrue", "description": about})
        if page == "/settings":
            return JSONResponse(self._settings())
        try:
            ask = await self._ask(request, page, role)
            if is_link:
                return RedirectResponse(await run_in_threadpool(self._run, mailing.follow, ask), 303)
            return self._answer(await run_in_threadpool(self._run, self._handler(ask), ask))
        except Refusal as refusal:
            body, headers = refusal.answer(request.headers.get(VERSION_HEADER))
            return JSONResponse(body, refusal.status, headers)

    def _handler(self, ask: Ask) -> Handler:
        handler = PAGES.get((ask.method, ask.path))
        if handler is None and ask.path.startswith("/admin/users/") and ask.path.count("/") == 3:
            handler = admin.user
        if handler is None:
            known = any(path == ask.path for _, path in PAGES)
            raise Refusal(405 if known else 404, "unknown", "405 method not allowed" if known else "404 page not found")
        return handler

    def _run(self, handler: Handler, ask: Ask) -> Any:
        try:
            with self.auth.pool.connection() as connection:
                return handler(self.auth, ask, connection)
        except psycopg.Error as error:
            raise broken("Unexpected failure, please check server logs for more information") from error

    @staticmethod
    def _answer(given: Any) -> Response:
        if given is None:
            return Response(status_code=204)
        body, headers = given if isinstance(given, tuple) else (given, {})
        return JSONResponse(body, headers=headers)

    # --- the gateway ------------------------------------------------------------------------------------------------

    def _role(self, request: Request) -> str | Response:
        """The role of the request's API key, or the gateway's refusal."""
        key = request.headers.get("apikey") or request.query_params.get("apikey")
        if not key:
            hint = "No `apikey` request header or url param was found."
            return JSONResponse({"message": "No API key found in request", "hint": hint}, 401)
        role = self.auth.keys.role_of(key)
        if role is None or (key.startswith("eyJ") and not self.auth.switches["legacy_keys"]):
            hint = "Double check your Supabase `anon` or `service_role` API key."
            return JSONResponse({"message": "Invalid API key", "hint": hint}, 401)
        if key == self.auth.keys.secret and request.headers.get("user-agent", "").startswith("Mozilla/"):
            return JSONResponse({"message": "Forbidden use of secret API key in browser"}, 401)
        return role

    async def _ask(self, request: Request, page: str, role: str | None) -> Ask:
        raw = await request.body()
        try:
            body = json.loads(raw or b"{}")
        except ValueError:
            raise Refusal(400, "bad_json", "Could not parse request body as JSON") from None
        if not isinstance(body, dict):
            raise Refusal(400, "bad_json", "Could not parse request body as JSON: not an object")
        headers = dict(request.headers)
        key = headers.get("apikey", "")
        return Ask(
            method=request.method,
            path=page,
            query=dict(request.query_params),
            body=body,
            headers=headers,
            address=self._address(request, key),
            bearer=self._bearer(headers, key, role),
        )

    def _bearer(self, headers: Mapping[str, str], key: str, role: str | None) -> str | None:
        """The token the service sees: an API key alone, or repeated as a token, becomes the token of its role."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else ""
        if role and given in ("", key):
            return self.auth.keys.service_role if role == "service_role" else self.auth.keys.anon
        return given or None

    def _address(self, request: Request, key: str) -> str:
        """Whose limit is used up: the caller's, or the one a server with the secret key speaks for."""
        own = request.client.host if request.client else ""
        named = request.headers.get("sb-forwarded-for", "").split(",")[0].strip()
        # a legacy key is not believed
        if named and self.auth.switches["forwarded_for"] and key == self.auth.keys.secret:
            try:
                return str(ipaddress.ip_address(named))
            except ValueError:
                return own
        return own

    def _settings(self) -> dict[str, Any]:
        return {
            "external": {"email": True, "phone": False, "anonymous_users": False},
            "disable_signup": self.auth.switches["disable_signup"],
            "mailer_autoconfirm": False,
            "phone_autoconfirm": False,
            "saml_enabled": False,
        }
