"""Plain HTTP routes beside the pages: sign-in and sign-out, password, exports. They work without script."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app import auth, plain
from app.offload import off_loop
from app.services import access, export
from app.texts import t
from synkro.errors import NotFoundError, SynkroError

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]


def _ip(request: Request) -> str | None:
    return request.client.host if request.client else None


@router.get("/login")
async def login_page(request: Request, next: str = "/") -> Response:
    if getattr(request.state, "caller", None) is not None:
        return RedirectResponse(auth.safe_next(next), 303)
    return plain.login(auth.safe_next(next))


@router.post("/login")
async def login(request: Request, email: Text = "", password: Text = "", next: Text = "/") -> Response:
    target = auth.safe_next(next)
    old = auth.session_in(request.headers.get("cookie"))
    try:
        user, session_id = await off_loop(
            auth.sign_in, email, password, _ip(request), request.headers.get("user-agent")
        )
    except SynkroError as error:
        status = 401 if error.kind == "authentication" else 503
        return plain.login(target, email=email, error=error.message, status=status)
    await off_loop(auth.sessions.close_session, old)
    response = RedirectResponse("/profile/password" if user.must_change_password else target, 303)
    auth.set_cookie(response, session_id)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    await off_loop(auth.sign_out, request.state.caller, _ip(request))
    response = RedirectResponse("/login", 303)
    auth.drop_cookie(response)
    return response


@router.get("/profile/password")
async def password_page(request: Request) -> Response:
    return plain.password(forced=request.state.caller.user.must_change_password)


@router.post("/profile/password")
async def password(request: Request, old: Text = "", new: Text = "", again: Text = "") -> Response:
    user = request.state.caller.user
    if new != again:
        return plain.password(forced=user.must_change_password, error=t("password.mismatch"), status=422)
    try:
        await off_loop(auth.change_password, user, old, new, _ip(request))
    except SynkroError as error:
        return plain.password(forced=user.must_change_password, error=error.message, status=422)
    # every session of the person is closed now: this browser gets a new one, the others sign in again
    session_id = await off_loop(
        auth.sessions.open_session, user.user_id, _ip(request), request.headers.get("user-agent")
    )
    response = RedirectResponse("/", 303)
    auth.set_cookie(response, session_id)
    return response


@router.get("/t/{slug}/reports/{report_id}/export/{what}.csv")
async def report_csv(request: Request, slug: str, report_id: str, what: str) -> Response:
    viewer = await off_loop(access.viewer, request.state.caller.user, _ip(request))
    try:
        if what not in ("numbers", "waits"):
            raise NotFoundError("Такого файла нет.")
        name, text = await off_loop(export.report_csv, viewer, slug, report_id, what)
    except NotFoundError:
        return plain.not_found()
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
