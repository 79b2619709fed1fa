"""Plain HTTP routes beside the pages: sign-in and sign-out, password, exports. They work without script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from starlette.background import BackgroundTask

from app import auth, spreadsheets, static_pages
from app.offload import off_loop
from app.texts import t
from services import access
from synkro import accounts
from synkro.accounts import second_factor
from synkro.accounts.passwords import WeakPassword
from synkro.core.errors import DataError, NotFoundError, SynkroError
from synkro.runs import dagster_ui
from synkro.tenancy import invitations
from synkro.tenancy.users import User

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=1000)]


def _ip(request: Request) -> str | None:
    return request.client.host if request.client else None


@router.get("/login")
async def login_page(request: Request, next: str = "/") -> Response:
    if getattr(request.state, "caller", None) is not None:
        return RedirectResponse(auth.safe_next(next), 303)
    return static_pages.login(auth.safe_next(next))


@router.get(dagster_ui.PREFIX)
async def dagster() -> Response:
    """What is mounted there begins behind the slash."""
    return RedirectResponse(f"{dagster_ui.PREFIX}/", 303)


#: how a refusal of the keeper of the accounts is answered; anything else is not the person's doing
_STATUS = {"authentication": 401, "data": 422}


def _status(error: SynkroError) -> int:
    return 429 if getattr(error, "retry_after", None) else _STATUS.get(error.kind, 503)


def _said(error: SynkroError) -> str:
    """What was refused, in the person's language where the refusal is known in it."""
    return t(f"weak.{error.reason}") if isinstance(error, WeakPassword) else error.message


@router.post("/login")
async def login(request: Request, email: Text = "", password: Text = "", next: Text = "/") -> Response:
    target = auth.safe_next(next)
    old = auth.session_in(request.headers.get("cookie"))
    agent, device = request.headers.get("user-agent"), auth.device_in(request.cookies, email)
    try:
        entered = await off_loop(auth.sign_in, email, password, _ip(request), agent, device=device)
    except SynkroError as error:
        return static_pages.login(target, email=email, error=error.message, status=_status(error))
    await off_loop(auth.sessions.close_session, old)
    return _entered(entered, "/profile/password" if entered.user.must_change_password else target)


def _entered(entered: auth.Entered, target: str) -> Response:
    """On to the page, or to the second step and from there to the page."""
    if entered.session_id is None:
        response = RedirectResponse(f"/login/code?next={quote(target, safe='')}", 303)
        auth.drop_cookie(response)
        auth.set_step_cookie(response, entered.step or "")
        return response
    response = RedirectResponse(target, 303)
    _let_in(response, entered.user.email, entered.session_id)
    return response


def _let_in(response: Response, email: str, session_id: str) -> None:
    auth.set_cookie(response, session_id)
    auth.set_device_cookie(response, email)
    auth.drop_step_cookie(response)


@router.get("/login/code")
async def code_page(request: Request, next: str = "/") -> Response:
    step = await off_loop(auth.step_in, request.cookies)
    if step is None:
        return RedirectResponse("/login", 303)
    if not step.status.is_on:
        return RedirectResponse(f"/login/second-factor?next={quote(auth.safe_next(next), safe='')}", 303)
    return static_pages.code(auth.safe_next(next), step.user.email)


@router.post("/login/code")
async def code(request: Request, code: Text = "", next: Text = "/") -> Response:
    step = await off_loop(auth.step_in, request.cookies)
    if step is None:
        return RedirectResponse("/login", 303)
    agent, device = request.headers.get("user-agent"), auth.device_in(request.cookies, step.user.email)
    try:
        session_id = await off_loop(auth.finish_step, step, code, _ip(request), agent, device=device)
    except SynkroError as error:
        return static_pages.code(auth.safe_next(next), step.user.email, error=error.message, status=_status(error))
    response = RedirectResponse(auth.safe_next(next), 303)
    _let_in(response, step.user.email, session_id)
    return response


@router.get("/login/second-factor")
async def set_up_page(request: Request, next: str = "/") -> Response:
    step = await off_loop(auth.step_in, request.cookies)
    if step is None or step.status.is_on:
        return RedirectResponse("/login/code" if step else "/login", 303)
    return await _set_up_form(step.user, "/login/second-factor", next=auth.safe_next(next))


@router.post("/login/second-factor")
async def set_up(request: Request, code: Text = "", next: Text = "/") -> Response:
    step = await off_loop(auth.step_in, request.cookies)
    if step is None or step.status.is_on:
        return RedirectResponse("/login/code" if step else "/login", 303)
    agent, device = request.headers.get("user-agent"), auth.device_in(request.cookies, step.user.email)
    try:
        session_id, codes = await off_loop(auth.set_up_step, step, code, _ip(request), agent, device=device)
    except SynkroError as error:
        return await _set_up_form(step.user, "/login/second-factor", next=auth.safe_next(next), error=error)
    response = static_pages.recovery_codes(codes, auth.safe_next(next))
    _let_in(response, step.user.email, session_id)
    return response


async def _set_up_form(user: User, action: str, *, next: str = "", error: SynkroError | None = None) -> Response:
    try:
        begun = await off_loop(second_factor.begin, user)
    except SynkroError as impossible:
        return static_pages.said(t("factor.title"), impossible.message, _status(impossible))
    return static_pages.second_factor_setup(
        begun.secret,
        begun.uri,
        action,
        next=next,
        asks_password=action.startswith("/profile"),
        error=error.message if error else None,
        status=_status(error) if error else 200,
    )


@router.get("/profile/second-factor")
async def second_factor_page(request: Request) -> Response:
    return await _second_factor(request)


async def _second_factor(request: Request, error: SynkroError | None = None) -> Response:
    user = request.state.caller.user
    found = await off_loop(second_factor.status, user.user_id)
    if not found.is_on:
        return await _set_up_form(user, "/profile/second-factor", error=error)
    return static_pages.second_factor(
        found, error=error.message if error else None, status=_status(error) if error else 200
    )


@router.post("/profile/second-factor")
async def change_second_factor(request: Request, what: Text = "on", code: Text = "", password: Text = "") -> Response:
    caller = request.state.caller
    try:
        if what == "off":
            await off_loop(auth.turn_off, caller, code, _ip(request))
            return RedirectResponse("/profile", 303)
        if what == "codes":
            codes = await off_loop(auth.renew_codes, caller, code, _ip(request))
        else:
            codes = await off_loop(auth.turn_on, caller, password, code, _ip(request))
    except SynkroError as error:
        return await _second_factor(request, error)
    return static_pages.recovery_codes(codes, "/profile")


@router.get("/forgot")
async def forgot_page() -> Response:
    return static_pages.forgot()


@router.post("/forgot")
async def forgot(request: Request, email: Text = "") -> Response:
    """The same answer whether somebody has this address or not."""
    try:
        asked = await off_loop(accounts.request_recovery, email, _ip(request))
    except SynkroError as error:
        # an installation that writes no letters is no outage
        status = _status(error) if accounts.can_write_letters() else 422
        return static_pages.forgot(email=email, error=error.message, status=status)
    response = static_pages.said(t("forgot.title"), t("forgot.sent", email=email.strip()[:320]))
    auth.set_letter_cookie(response, "recovery", asked.verifier)
    response.background = BackgroundTask(asked.send)
    return response


@router.get("/auth/confirm")
async def confirm_page(request: Request) -> Response:
    """Where links of letters land: ours and Supabase's with ``token_hash``, Supabase's with ``code``, or with ``#…``."""
    asked = request.query_params
    if error := asked.get("error_code") or asked.get("error"):
        return static_pages.said(
            t("confirm.title"), t("confirm.stale" if "expired" in error else "confirm.failed"), 422
        )
    if asked.get("message"):
        return static_pages.said(t("confirm.title"), t("confirm.second"))
    if code := asked.get("code"):
        kind, verifier = auth.letter_in(request.cookies)
        return await _confirmed(request, accounts.confirm_code, code[:400], verifier, kind, _ip(request))
    # mail servers open links to look at them: a link is taken by a press, not by a visit
    return static_pages.confirm(asked.get("token_hash", "")[:400], asked.get("type", "")[:40])


@router.post("/auth/confirm")
async def confirm(
    request: Request, token_hash: Text = "", type: Text = "", access_token: Annotated[str, Form(max_length=8000)] = ""
) -> Response:
    if token_hash:
        return await _confirmed(request, accounts.confirm_link, token_hash, type, _ip(request))
    if access_token and accounts.is_supabase():
        return await _confirmed(request, accounts.confirm_fragment, access_token, type)
    return static_pages.said(t("confirm.title"), t("confirm.broken"), 422)


async def _confirmed(request: Request, take: Callable[..., Any], *arguments: Any) -> Response:
    try:
        confirmed = await off_loop(take, *arguments)
    except SynkroError as error:
        return static_pages.said(t("confirm.title"), error.message, _status(error))
    if confirmed is None:
        return static_pages.said(t("confirm.title"), t("confirm.second"))
    agent = request.headers.get("user-agent")
    entered = await off_loop(auth.open_confirmed, confirmed, _ip(request), agent)
    response = _entered(entered, "/profile/password" if confirmed.may_set_password else "/profile")
    auth.drop_letter_cookie(response)
    return response


@router.get(invitations.PATH + "/{token}")
async def invitation_page(request: Request, token: str) -> Response:
    return await _invitation(request, token[:200])


async def _invitation(request: Request, token: str, error: SynkroError | None = None) -> Response:
    try:
        offered = await off_loop(auth.invited, token)
    except SynkroError as stale:
        return static_pages.said(t("invitation.title"), stale.message, _status(stale))
    caller: auth.Caller | None = request.state.caller
    return static_pages.invitation(
        token,
        offered,
        caller.user.email if caller else None,
        error=_said(error) if error else None,
        status=_status(error) if error else 200,
    )


@router.post(invitations.PATH + "/{token}")
async def accept_invitation(request: Request, token: str, new: Text = "", again: Text = "") -> Response:
    """Taken by a press: mail servers and messengers open links to look at them."""
    token = token[:200]
    caller: auth.Caller | None = request.state.caller
    if caller is not None and caller.must_set_password:
        return RedirectResponse("/profile/password", 303)
    try:
        if caller is not None:
            await off_loop(auth.accept, token, caller.user, _ip(request))
            return RedirectResponse("/", 303)
        if new != again:
            raise DataError(t("password.mismatch"))
        email, session_id = await off_loop(auth.join, token, new, _ip(request), request.headers.get("user-agent"))
    except SynkroError as error:
        return await _invitation(request, token, error)
    response = RedirectResponse("/", 303)
    _let_in(response, email, session_id)
    return response


@router.post("/logout")
async def logout(request: Request) -> Response:
    await off_loop(auth.sign_out, request.state.caller, _ip(request))
    response = RedirectResponse("/login", 303)
    auth.drop_cookie(response)
    return response


@router.get("/profile/password")
async def password_page(request: Request) -> Response:
    return _password_form(request.state.caller)


def _password_form(caller: auth.Caller, error: str | None = None, status: int = 200) -> Response:
    return static_pages.password(
        forced=caller.user.must_change_password, by_link=caller.may_set_password, error=error, status=status
    )


@router.post("/profile/password")
async def password(request: Request, old: Text = "", new: Text = "", again: Text = "") -> Response:
    caller = request.state.caller
    if new != again:
        return _password_form(caller, t("password.mismatch"), 422)
    try:
        await off_loop(auth.change_password, caller, old, new, _ip(request))
    except SynkroError as error:
        return _password_form(caller, _said(error), 503 if error.kind == "transient" else 422)
    # every session of the person is closed now: this browser gets a new one, the others sign in again
    session_id = await off_loop(
        auth.sessions.open_session,
        caller.user.user_id,
        _ip(request),
        request.headers.get("user-agent"),
        has_second_factor=caller.has_second_factor,
    )
    response = RedirectResponse("/", 303)
    auth.set_cookie(response, session_id)
    return response


@router.get("/profile/email")
async def email_page(request: Request) -> Response:
    return static_pages.change_email(request.state.caller.user.email)


@router.post("/profile/email")
async def email(request: Request, password: Text = "", email: Text = "") -> Response:
    user = request.state.caller.user
    try:
        verifier = await off_loop(accounts.request_email_change, user, password, email, _ip(request))
    except SynkroError as error:
        return static_pages.change_email(user.email, wanted=email, error=error.message, status=_status(error))
    response = static_pages.said(t("email.title"), t("email.sent", email=email.strip()[:320]))
    auth.set_letter_cookie(response, "email_change", verifier)
    return response


@router.get("/t/{slug}/reports/{report_id}/export/{what}.csv")
async def report_csv(request: Request, slug: str, report_id: str, what: str) -> Response:
    viewer = await off_loop(access.viewer, request.state.caller.user, _ip(request))
    try:
        if what not in ("numbers", "waits"):
            raise NotFoundError("Такого файла нет.")
        name, text = await off_loop(spreadsheets.report_csv, viewer, slug, report_id, what)
    except NotFoundError:
        return static_pages.not_found()
    return _csv(name, text)


@router.get("/audit/export.csv")
async def audit_csv(request: Request, tenant: str = "") -> Response:
    viewer = await off_loop(access.viewer, request.state.caller.user, _ip(request))
    try:
        name, text = await off_loop(spreadsheets.audit_csv, viewer, tenant or None)
    except NotFoundError:
        return static_pages.not_found()
    except access.Forbidden as error:
        return static_pages.refused(error.message)
    return _csv(name, text)


def _csv(name: str, text: str) -> Response:
    return Response(
        text.encode(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
