"""``/signup``, ``/recover``, ``/otp``, ``/invite``, ``/verify``: everything that goes by a link or a code in a mail.

Confirmed (supabase/auth, internal/api/mail.go, recover.go, magic_link.go, invite.go, signup.go, verify.go, pkce.go): the link
carries the hash, a hash of the PKCE flow begins with ``pkce_`` and leads back with a code instead of tokens, an unknown
address gets the same answer, a used or old link is ``otp_expired``.
"""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import uuid4

from sandbox.vendors.supabase import accounts
from sandbox.vendors.supabase.accounts import Connection, Row
from sandbox.vendors.supabase.refusals import Refusal, email_exists, expired, expired_link, invalid
from sandbox.vendors.supabase.service import Ask, Auth

#: type of a verification -> kinds of token it may be
KINDS = {
    "signup": ("confirmation_token",),
    "invite": ("confirmation_token",),
    "recovery": ("recovery_token",),
    "magiclink": ("recovery_token",),
    "email": ("confirmation_token", "recovery_token"),
    "email_change": ("email_change_token_current", "email_change_token_new"),
}
ONE_OF_TWO = "Confirmation link accepted. Please proceed to confirm link sent to the other email"
#: status -> the word OAuth has for it
WORDS = {400: "invalid_request", 401: "unauthorized_client", 403: "access_denied", 500: "server_error"}


# --- asking for a mail ----------------------------------------------------------------------------------------------


def signup(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /signup`` with an address and a password."""
    if not ask.text("email"):
        raise Refusal(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
    auth.limits.take("otp", ask.address)
    return _sign_up(auth, ask, connection, ask.text("password"))


def _sign_up(auth: Auth, ask: Ask, connection: Connection, password: str) -> Row:
    if auth.switches["disable_signup"]:
        raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
    if not password:
        raise invalid("Signup requires a valid password")
    auth.check_strength(password)
    email = auth.check_email(ask.text("email"))
    user = accounts.by_email(connection, email)
    if user and user["email_confirmed_at"]:
        # whether the address is taken is not told: an answer of the same shape, about nobody
        return {**accounts.shown(connection, user), "id": str(uuid4()), "identities": [], "user_metadata": {}}
    if user is None:
        hashed = accounts.hashed(password)
        user = accounts.create(connection, email, hashed, user_metadata=ask.mapping("data"))
    user = send(auth, ask, connection, user, "signup")
    return accounts.shown(connection, user)


def recover(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /recover``"""
    auth.limits.take("otp", ask.address)
    user = accounts.by_email(connection, auth.check_email(ask.text("email")))
    if user:
        accounts.write_down(connection, "user_recovery_requested", user, ask.address)
        send(auth, ask, connection, user, "recovery")
    return {}


def otp(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /otp``: a magic link, also to somebody new unless ``create_user`` is false."""
    auth.limits.take("otp", ask.address)
    user = accounts.by_email(connection, auth.check_email(ask.text("email")))
    if user is None and ask.body.get("create_user", True) is False:
        raise Refusal(422, "otp_disabled", "Signups not allowed for otp")
    if user is None or user["email_confirmed_at"] is None:
        _sign_up(auth, ask, connection, "Aa1!" + secrets.token_urlsafe(30))
    else:
        send(auth, ask, connection, user, "magiclink")
    return {}


def resend(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /resend`` of a sign-up's mail."""
    auth.limits.take("otp", ask.address)
    if ask.text("type") != "signup":
        raise invalid("Missing one of these types: signup, email_change, sms, phone_change")
    user = accounts.by_email(connection, auth.check_email(ask.text("email")))
    if user and user["email_confirmed_at"] is None:
        send(auth, ask, connection, user, "signup")
    return {}


def invite(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /invite``: a person without a password, and a mail to them."""
    auth.require_admin(ask)
    email = auth.check_email(ask.text("email"))
    user = invited(connection, email, ask.mapping("data"))
    user = send(auth, ask, connection, user, "invite")
    accounts.write_down(connection, "user_invited", None, ask.address, user_email=email)
    return accounts.shown(connection, accounts.change(connection, user, invited_at=accounts.now()))


def invited(connection: Connection, email: str, data: Row | None) -> Row:
    """Whoever is invited: made now, or still unconfirmed."""
    user = accounts.by_email(connection, email)
    if user and user["email_confirmed_at"]:
        raise email_exists()
    return user or accounts.create(connection, email, None, user_metadata=data)


def send(auth: Auth, ask: Ask, connection: Connection, user: Row, kind: str) -> Row:
    """Mail a link of a kind to the person and remember its token."""
    code = accounts.one_time_code()
    token = _flow(ask, connection, user, kind) + accounts.token_hash(user["email"], code)
    column = KINDS[kind][0]
    last = None if kind == "invite" else user[accounts.TOKENS[column]]
    auth.send(user["email"], kind, code, token, auth.referrer(ask), last=last)
    return accounts.store_token(connection, user, column, token, user["email"])


def send_email_change(auth: Auth, ask: Ask, connection: Connection, user: Row, email: str) -> Row:
    """Mail links to the new address and, with «secure email change», to the present one."""
    prefix, last = _flow(ask, connection, user, "email_change"), user["email_change_sent_at"]
    user = accounts.change(connection, user, email_change=email, email_change_confirm_status=0)
    kinds = [("email_change_token_new", email)]
    if auth.switches["secure_email_change"] and user["email"]:
        kinds.append(("email_change_token_current", user["email"]))
    for column, address in kinds:
        code = accounts.one_time_code()
        token = prefix + accounts.token_hash(address, code)
        auth.send(address, "email_change", code, token, auth.referrer(ask), last=last)
        user = accounts.store_token(connection, user, column, token, address)
    return user


def _flow(ask: Ask, connection: Connection, user: Row, method: str) -> str:
    """The prefix of the token: with a code challenge in the request the link will lead back with a code."""
    challenge, how = ask.text("code_challenge"), ask.text("code_challenge_method").lower()
    if bool(challenge) != bool(how):
        raise invalid("PKCE flow requires code_challenge_method and code_challenge")
    if not challenge:
        return ""
    if not 43 <= len(challenge) <= 128:
        raise invalid("code challenge has to be between 43 and 128 characters")
    if how not in ("s256", "plain"):
        raise invalid(f'unsupported code_challenge method "{how}"')
    connection.execute(
        "insert into flow_state (id, user_id, auth_code, code_challenge_method, code_challenge, provider_type,"
        " authentication_method, created_at, updated_at) values (%s, %s, %s, %s, %s, %s, %s, now(), now())",
        (uuid4(), user["id"], str(uuid4()), how, challenge, method, method),
    )
    return "pkce_"


# --- coming back ------------------------------------------------------------------------------------------------------


def verify(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``POST /verify`` with ``token_hash``, or with an address and the code of the mail."""
    auth.limits.take("verify", ask.address)
    kind, code, token = ask.text("type"), ask.text("token"), ask.text("token_hash")
    if not kind:
        raise invalid("Verify requires a verification type")
    if bool(code) == bool(token):
        raise invalid("Verify requires either a token or a token hash")
    if code:
        user, column = _by_code(auth, connection, kind, auth.check_email(ask.text("email")), code)
    else:
        if ask.text("email") or ask.text("redirect_to"):
            raise invalid("Only the token_hash and type should be provided")
        user, column = _by_hash(auth, connection, kind, token)
    accepted = _accept(auth, ask, connection, user, column)
    if accepted is None:
        return {"msg": ONE_OF_TWO, "code": "200"}
    return auth.open_session(ask, connection, accepted, "otp")


def follow(auth: Auth, ask: Ask, connection: Connection) -> str:
    """``GET /verify``, what a click on the link does: where the browser is sent."""
    auth.limits.take("verify", ask.address)
    kind, token, back = ask.query.get("type", ""), ask.query.get("token", ""), auth.referrer(ask)
    if not kind or not token:
        raise invalid("Verify requires a verification type" if not kind else "Verify requires a token or a token hash")
    is_pkce = token.startswith("pkce_")
    try:
        with connection.transaction():
            user, column = _by_hash(auth, connection, kind, token)
            accepted = _accept(auth, ask, connection, user, column)
            if accepted is None:
                return _with(back, {"message": ONE_OF_TWO} if is_pkce else {}, {"message": ONE_OF_TWO, "sb": ""})
            if is_pkce:
                return _with(back, {"code": _auth_code(connection, accepted, kind)}, {})
            given = auth.open_session(ask, connection, accepted, "otp")
    except Refusal as refusal:
        told = {"error": WORDS.get(refusal.status), "error_code": refusal.code, "error_description": refusal.message}
        told = {name: value for name, value in told.items() if value}
        return _with(back, told if is_pkce else {}, {**told, "sb": ""})
    names = ("access_token", "token_type", "expires_in", "expires_at", "refresh_token")
    return _with(back, {}, {**{name: given[name] for name in names}, "type": kind, "sb": ""})


def _with(url: str, query: dict[str, Any], fragment: dict[str, Any]) -> str:
    parts = urlsplit(url)
    both = {**dict(parse_qsl(parts.query)), **query}
    return urlunsplit(parts._replace(query=urlencode(both), fragment=urlencode(fragment)))


def _by_hash(auth: Auth, connection: Connection, kind: str, token: str) -> tuple[Row, str]:
    if kind not in KINDS:
        raise invalid("Invalid email verification type")
    found = accounts.by_token(connection, token, KINDS[kind])
    if found is None:
        raise expired_link()
    user, column = found
    if accounts.is_banned(user):
        raise Refusal(403, "user_banned", "User is banned")
    if not accounts.is_fresh(user, column, auth.switches["otp_seconds"]):
        raise expired_link()
    return user, column


def _by_code(auth: Auth, connection: Connection, kind: str, email: str, code: str) -> tuple[Row, str]:
    wanted = accounts.token_hash(email, code)
    if kind == "email_change":
        found = [accounts.by_token(connection, token, KINDS[kind]) for token in (wanted, f"pkce_{wanted}")]
        user = next((item[0] for item in found if item), None)
    else:
        user = accounts.by_email(connection, email)
    if user is None:
        raise expired()
    if accounts.is_banned(user):
        raise Refusal(403, "user_banned", "User is banned")
    for column in KINDS.get(kind, ()):
        fits = user[column] in (wanted, f"pkce_{wanted}")
        if fits and accounts.is_fresh(user, column, auth.switches["otp_seconds"]):
            return user, column
    raise expired()


def _accept(auth: Auth, ask: Ask, connection: Connection, user: Row, column: str) -> Row | None:
    """The token did its work once; None while the other address of a change has still to be confirmed."""
    accounts.clear_token(connection, user, column)
    if column == "confirmation_token":
        if not user["encrypted_password"] and user["invited_at"]:
            # an invited person gets a password nobody knows: the application has to ask for their own
            user = accounts.set_password(connection, user, accounts.hashed(secrets.token_urlsafe(48)), None)
        accounts.write_down(connection, "user_signedup", user, ask.address, provider="email")
        return accounts.confirm(connection, user)
    if column == "recovery_token":
        user = accounts.change(connection, user, recovery_token="")
        accounts.write_down(connection, "login", user, ask.address)
        return user if user["email_confirmed_at"] else accounts.confirm(connection, user)
    return _accept_change(auth, ask, connection, user, column)


def _accept_change(auth: Auth, ask: Ask, connection: Connection, user: Row, column: str) -> Row | None:
    is_first = user["email_change_confirm_status"] == 0
    if auth.switches["secure_email_change"] and is_first and user["email"]:
        accounts.change(connection, user, email_change_confirm_status=1, **{column: ""})
        return None
    accounts.ensure_identity(connection, user, user["email_change"], is_verified=True)
    for other in KINDS["email_change"]:
        accounts.clear_token(connection, user, other)
    accounts.write_down(connection, "user_modified", user, ask.address)
    return accounts.change(
        connection,
        user,
        email=user["email_change"],
        email_change="",
        email_change_token_current="",
        email_change_token_new="",
        email_change_confirm_status=0,
        email_confirmed_at=user["email_confirmed_at"] or accounts.now(),
    )


def _auth_code(connection: Connection, user: Row, method: str) -> str:
    state = connection.execute(
        "update flow_state set auth_code_issued_at = now(), updated_at = now() where id = (select id from flow_state"
        " where user_id = %s and authentication_method = %s order by created_at desc limit 1) returning auth_code",
        (user["id"], method),
    ).fetchone()
    if state is None:
        message = "No associated flow state found. No valid flow state found for user."
        raise Refusal(400, "flow_state_not_found", message)
    return str(state["auth_code"])
