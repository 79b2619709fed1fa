"""Pages without NiceGUI: sign-in, password, links of letters, «не найдено», «что-то сломалось». Plain HTML, escaped, no
script needed, except where Supabase hides a token behind ``#``, which no server is shown.

A page that is not there and a page one may not see are the same bytes.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from starlette.responses import HTMLResponse

from app.texts import language, t
from synkro.accounts.second_factor import Status
from synkro.tenancy import invitations
from synkro.tenancy.invitations import Invitation

THEME = Path(__file__).parent / "theme"

#: links of Supabase may land on the project's site address: what they carry belongs to the page that takes links
_FOLLOW_FRAGMENT = (
    "<script>if (/(access_token|error_code|message)=/.test(location.hash))"
    " location.replace('/auth/confirm' + location.hash)</script>"
)
#: errors and messages go to the server as a query; a token goes into the form and out of the address
_FILL_FROM_FRAGMENT = """<script>
(() => {
  const said = new URLSearchParams(location.hash.slice(1))
  if (said.has('error_code') || said.has('error') || said.has('message')) {
    location.replace('/auth/confirm?' + said)
  } else if (said.has('access_token')) {
    history.replaceState(null, '', location.pathname)
    const form = document.getElementById('confirm')
    form.access_token.value = said.get('access_token')
    form.type.value = said.get('type') || ''
    document.getElementById('lead').textContent = 'LEAD'
    form.hidden = false
  }
})()
</script>"""


@lru_cache(maxsize=16)
def asset(name: str) -> str:
    """Address of a file of the theme; a changed file gets a new one."""
    digest = hashlib.sha256((THEME / name).read_bytes()).hexdigest()[:10]
    return f"/static/{name}?v={digest}"


def head_links() -> str:
    return (
        f'<link rel="stylesheet" href="{asset("synkro.css")}">'
        f'<script src="{asset("synkro.js")}"></script>'
        '<meta name="robots" content="noindex">'
    )


def document(title: str, body: str, status: int = 200) -> HTMLResponse:
    """A whole page around a card; ``body`` is HTML whose texts are escaped by the caller."""
    return HTMLResponse(
        f'<!doctype html><html lang="{language()}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)} · Synkro</title>"
        f'<link rel="icon" href="{asset("icon.svg")}">{head_links()}</head>'
        f'<body class="plain"><main class="plain-card">'
        f'<a class="brand" href="/"><img src="{asset("icon.svg")}" alt="" width="26" height="26">Synkro</a>'
        f"{body}</main></body></html>",
        status_code=status,
    )


def _field(name: str, label: str, kind: str, *, value: str = "", complete: str, focus: bool = False) -> str:
    return (
        f'<label class="plain-field"><span>{escape(label)}</span>'
        f'<input name="{name}" type="{kind}" value="{escape(value)}" autocomplete="{complete}" required maxlength="320"'
        f'{" autofocus" if focus else ""} data-testid="{name}"></label>'
    )


def _message(text: str | None) -> str:
    return f'<p class="plain-error" role="alert" data-testid="error">{escape(text)}</p>' if text else ""


def login(next_path: str, *, email: str = "", error: str | None = None, status: int = 200) -> HTMLResponse:
    return document(
        t("login.title"),
        f"<h1>{escape(t('login.title'))}</h1><p class='muted'>{escape(t('login.lead'))}</p>{_message(error)}"
        '<form method="post" action="/login">'
        + _field("email", t("login.email"), "email", value=email, complete="username", focus=not email)
        + _field("password", t("login.password"), "password", complete="current-password", focus=bool(email))
        + f'<input type="hidden" name="next" value="{escape(next_path)}">'
        f'<button class="btn primary wide" data-testid="sign-in">{escape(t("login.submit"))}</button></form>'
        f'<p class="small"><a href="/forgot" data-testid="forgot">{escape(t("login.forgot"))}</a></p>'
        f"<p class='muted small'>{escape(t('login.help'))}</p>{_FOLLOW_FRAGMENT}",
        status,
    )


def forgot(*, email: str = "", error: str | None = None, status: int = 200) -> HTMLResponse:
    return document(
        t("forgot.title"),
        f"<h1>{escape(t('forgot.title'))}</h1><p class='muted'>{escape(t('forgot.lead'))}</p>{_message(error)}"
        '<form method="post" action="/forgot">'
        + _field("email", t("login.email"), "email", value=email, complete="username", focus=True)
        + f'<button class="btn primary wide" data-testid="send-letter">{escape(t("forgot.submit"))}</button></form>'
        f'<p class="small"><a href="/login">{escape(t("forgot.back"))}</a></p>',
        status,
    )


def confirm(token_hash: str, kind: str) -> HTMLResponse:
    """A button that takes the link; without a token, what Supabase put behind ``#`` fills the form in."""
    fields = {"token_hash": token_hash, "type": kind, "access_token": ""}
    hidden = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())
    lead = t("confirm.lead") if token_hash else t("confirm.broken")
    return document(
        t("confirm.title"),
        f"<h1>{escape(t('confirm.title'))}</h1><p class='muted' id='lead'>{escape(lead)}</p>"
        f'<form method="post" action="/auth/confirm" id="confirm"{"" if token_hash else " hidden"}>{hidden}'
        f'<button class="btn primary wide" data-testid="confirm">{escape(t("confirm.submit"))}</button></form>'
        f'<p class="small"><a href="/login">{escape(t("forgot.back"))}</a></p>'
        + ("" if token_hash else _FILL_FROM_FRAGMENT.replace("LEAD", escape(t("confirm.lead")))),
    )


def change_email(present: str, *, wanted: str = "", error: str | None = None, status: int = 200) -> HTMLResponse:
    return document(
        t("email.title"),
        f"<h1>{escape(t('email.title'))}</h1><p class='muted'>{escape(t('email.lead', email=present))}</p>{_message(error)}"
        '<form method="post" action="/profile/email">'
        + _field("email", t("email.new"), "email", value=wanted, complete="email", focus=True)
        + _field("password", t("password.old"), "password", complete="current-password")
        + f'<button class="btn primary wide" data-testid="save-email">{escape(t("email.submit"))}</button></form>'
        f'<p class="small"><a href="/profile">{escape(t("email.back"))}</a></p>',
        status,
    )


def said(title: str, text: str, status: int = 200) -> HTMLResponse:
    """A sentence and the way back to the sign-in."""
    return document(
        title,
        f"<h1>{escape(title)}</h1><p data-testid='said'{' role=alert' if status >= 400 else ''}>{escape(text)}</p>"
        f'<a class="btn primary wide" href="/login">{escape(t("forgot.back"))}</a>',
        status,
    )


def password(*, forced: bool, by_link: bool = False, error: str | None = None, status: int = 200) -> HTMLResponse:
    """``by_link``: a letter's link stands for the present password, so it is not asked for."""
    lead = t("password.by_link" if by_link else "password.forced" if forced else "password.lead")
    old = "" if by_link else _field("old", t("password.old"), "password", complete="current-password", focus=True)
    return document(
        t("password.title"),
        f"<h1>{escape(t('password.title'))}</h1><p class='muted'>{escape(lead)}</p>{_message(error)}"
        '<form method="post" action="/profile/password">'
        + old
        + _field("new", t("password.new"), "password", complete="new-password", focus=by_link)
        + _field("again", t("password.again"), "password", complete="new-password")
        + f'<button class="btn primary wide" data-testid="save-password">{escape(t("password.submit"))}</button></form>'
        f'<form method="post" action="/logout"><button class="btn link">{escape(t("nav.sign_out"))}</button></form>',
        status,
    )


def code(next_path: str, email: str, *, error: str | None = None, status: int = 200) -> HTMLResponse:
    """The second step of a sign-in."""
    return document(
        t("factor.title"),
        f"<h1>{escape(t('factor.title'))}</h1><p class='muted'>{escape(t('factor.lead', email=email))}</p>{_message(error)}"
        '<form method="post" action="/login/code">'
        + _field("code", t("factor.code"), "text", complete="one-time-code", focus=True)
        + f'<input type="hidden" name="next" value="{escape(next_path)}">'
        f'<button class="btn primary wide" data-testid="send-code">{escape(t("login.submit"))}</button></form>'
        f"<p class='muted small'>{escape(t('factor.lost'))}</p>"
        f'<p class="small"><a href="/login">{escape(t("forgot.back"))}</a></p>',
        status,
    )


def second_factor_setup(
    secret: str,
    uri: str,
    action: str,
    *,
    next: str = "",
    asks_password: bool = False,
    error: str | None = None,
    status: int = 200,
) -> HTMLResponse:
    """The secret as a picture and as letters, and the field for a first code."""
    import segno

    # its own white border: applications read no light signs on a dark ground
    picture = segno.make(uri, error="m").svg_inline(scale=4, border=4, dark="#000", light="#fff", omitsize=True)
    spaced = " ".join(secret[n : n + 4] for n in range(0, len(secret), 4))
    lead = t("factor.setup_lead" if asks_password else "factor.setup_required")
    password = _field("password", t("password.old"), "password", complete="current-password") if asks_password else ""
    out = (
        f'<p class="small"><a href="/profile">{escape(t("email.back"))}</a></p>'
        if asks_password
        else f'<p class="small"><a href="/login">{escape(t("forgot.back"))}</a></p>'
    )
    return document(
        t("factor.setup_title"),
        f"<h1>{escape(t('factor.setup_title'))}</h1><p class='muted'>{escape(lead)}</p>{_message(error)}"
        f'<div class="plain-qr" role="img" aria-label="{escape(t("factor.picture"))}">{picture}</div>'
        f"<p class='muted small'>{escape(t('factor.by_hand'))} <code data-testid='secret'>{escape(spaced)}</code></p>"
        f'<form method="post" action="{escape(action)}">'
        + password
        + _field("code", t("factor.first_code"), "text", complete="one-time-code", focus=not asks_password)
        + f'<input type="hidden" name="next" value="{escape(next)}">'
        f'<button class="btn primary wide" data-testid="turn-on">{escape(t("factor.turn_on"))}</button></form>{out}',
        status,
    )


def recovery_codes(codes: list[str], next_path: str) -> HTMLResponse:
    """Shown once."""
    listed = "".join(f"<li><code>{escape(one)}</code></li>" for one in codes)
    return document(
        t("factor.codes_title"),
        f"<h1>{escape(t('factor.codes_title'))}</h1><p class='muted'>{escape(t('factor.codes_lead'))}</p>"
        f'<ul class="plain-codes" data-testid="recovery-codes">{listed}</ul>'
        f'<a class="btn primary wide" href="{escape(next_path)}" data-testid="codes-kept">{escape(t("factor.kept"))}</a>',
    )


def second_factor(found: Status, *, error: str | None = None, status: int = 200) -> HTMLResponse:
    """What may be changed while it is on; each takes a code."""
    left = t("factor.left", n=found.codes_left)
    off = (
        f"<p class='muted small'>{escape(t('factor.required'))}</p>"
        if found.is_required
        else f'<button class="btn wide danger" name="what" value="off" data-testid="turn-off">{escape(t("factor.turn_off"))}'
        "</button>"
    )
    return document(
        t("factor.title"),
        f"<h1>{escape(t('factor.title'))}</h1><p class='muted'>{escape(t('factor.on'))} {escape(left)}</p>{_message(error)}"
        '<form method="post" action="/profile/second-factor">'
        + _field("code", t("factor.code"), "text", complete="one-time-code", focus=True)
        + f'<button class="btn primary wide" name="what" value="codes" data-testid="new-codes">{escape(t("factor.new_codes"))}'
        f'</button>{off}</form><p class="small"><a href="/profile">{escape(t("email.back"))}</a></p>',
        status,
    )


def invitation(
    token: str, offered: Invitation, signed_in: str | None, *, error: str | None = None, status: int = 200
) -> HTMLResponse:
    """What is offered, and a way to take it: one press, the sign-in, or a password of a new account."""
    path = f"{invitations.PATH}/{token}"
    lead = t("invitation.lead", company=offered.tenant_name, role=t(f"role.{offered.role}"), email=offered.email)
    top = f"<h1>{escape(t('invitation.title'))}</h1><p data-testid='offer'>{escape(lead)}</p>{_message(error)}"
    form = f'<form method="post" action="{escape(path)}">'
    if signed_in == offered.email:
        body = f'{form}<button class="btn primary wide" data-testid="accept">{escape(t("invitation.accept"))}</button></form>'
    elif signed_in is not None:
        body = (
            f"<p class='muted'>{escape(t('invitation.other', email=signed_in))}</p>"
            f'<form method="post" action="/logout"><button class="btn wide">{escape(t("nav.sign_out"))}</button></form>'
        )
    else:
        body = (
            f"<p class='muted'>{escape(t('invitation.new'))}</p>{form}"
            + f'<input type="hidden" name="email" value="{escape(offered.email)}" autocomplete="username">'
            + _field("new", t("password.new"), "password", complete="new-password", focus=True)
            + _field("again", t("password.again"), "password", complete="new-password")
            + f'<button class="btn primary wide" data-testid="join">{escape(t("invitation.join"))}</button></form>'
            f'<p class="small"><a href="/login?next={escape(quote(path, safe=""))}" data-testid="have-account">'
            f"{escape(t('invitation.have'))}</a></p>"
        )
    return document(t("invitation.title"), top + body, status)


def not_found() -> HTMLResponse:
    return document(
        t("not_found.title"),
        f"<h1>{escape(t('not_found.title'))}</h1><p class='muted'>{escape(t('not_found.text'))}</p>"
        f'<a class="btn primary wide" href="/">{escape(t("not_found.back"))}</a>',
        404,
    )


def server_error(error_id: str) -> HTMLResponse:
    return document(
        t("server_error.title"),
        f"<h1>{escape(t('server_error.title'))}</h1><p class='muted'>{escape(t('server_error.text'))}</p>"
        f"<p class='small'>{escape(t('server_error.id'))} <code>{escape(error_id)}</code></p>"
        f'<a class="btn primary wide" href="/">{escape(t("not_found.back"))}</a>',
        500,
    )


def dagster_down() -> HTMLResponse:
    return document(
        t("dagster.down_title"),
        f"<h1>{escape(t('dagster.down_title'))}</h1><p class='muted' role='alert'>{escape(t('dagster.down'))}</p>"
        f'<a class="btn primary wide" href="/">{escape(t("not_found.back"))}</a>',
        502,
    )


def refused(message: str, status: int = 403) -> HTMLResponse:
    return document(
        t("refused.title"),
        f"<h1>{escape(t('refused.title'))}</h1><p class='muted'>{escape(message)}</p>"
        f'<a class="btn primary wide" href="/">{escape(t("not_found.back"))}</a>',
        status,
    )
