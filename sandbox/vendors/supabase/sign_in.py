"""``/token``, ``/logout``, ``/user``, ``/reauthenticate``: the pages of somebody who has a password or a session.

Confirmed (supabase/auth, internal/api/token.go, user.go, logout.go, internal/tokens/service.go).
"""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any

from sandbox.vendors.supabase import accounts
from sandbox.vendors.supabase.accounts import Connection, Row
from sandbox.vendors.supabase.mailing import send_email_change
from sandbox.vendors.supabase.refusals import Refusal, email_exists, invalid, wrong_credentials
from sandbox.vendors.supabase.service import Ask, Auth


def token(auth: Auth, ask: Ask, connection: Connection) -> Any:
    """``POST /token?grant_type=…``"""
    grants = {"password": _password, "refresh_token": _refresh, "pkce": _pkce}
    grant = grants.get(ask.query.get("grant_type", "password"))
    if grant is None:
        raise Refusal(400, "invalid_credentials", "unsupported_grant_type")
    auth.limits.take("token", ask.address)
    return grant(auth, ask, connection)


def _password(auth: Auth, ask: Ask, connection: Connection) -> Row:
    email, password = ask.text("email"), ask.text("password")
    if not email:
        raise invalid("missing email or phone")
    user = accounts.by_email(connection, email)
    if user is None or not user["encrypted_password"]:
        raise wrong_credentials()
    # in this order: a banned person learns it without the right password
    if accounts.is_banned(user):
        raise Refusal(400, "user_banned", "User is banned")
    if not accounts.matches(user, password):
        raise wrong_credentials()
    if user["email_confirmed_at"] is None:
        raise Refusal(400, "email_not_confirmed", "Email not confirmed")
    weak: Row = {}
    try:
        auth.check_strength(password)
    except Refusal as refusal:
        weak = {"weak_password": {"message": refusal.message, **refusal.more.get("weak_password", {})}}
    accounts.write_down(connection, "login", user, ask.address, provider="email")
    return {**auth.open_session(ask, connection, user, "password"), **weak}


def _refresh(auth: Auth, ask: Ask, connection: Connection) -> Row:
    given = ask.text("refresh_token")
    if len(given) < 12:
        raise invalid("Refresh token is not valid")
    row = connection.execute("select * from refresh_tokens where token = %s for update", (given,)).fetchone()
    user = accounts.by_id(connection, row["user_id"]) if row else None
    if row is None or user is None:
        raise Refusal(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
    if accounts.is_banned(user):
        raise Refusal(400, "user_banned", "Invalid Refresh Token: User Banned")
    if row["session_id"] is None:
        raise Refusal(400, "session_not_found", "Invalid Refresh Token: No Valid Session Found")
    issued = None
    if row["revoked"]:
        active = connection.execute(
            "select * from refresh_tokens where session_id = %s and not revoked order by id desc limit 1",
            (row["session_id"],),
        ).fetchone()
        reuse = timedelta(seconds=auth.switches["refresh_reuse_seconds"])
        if active and active["parent"] == given:
            # the client never got the answer to its last refresh
            issued = active["token"]
        elif accounts.now() > row["updated_at"] + reuse:
            connection.execute(
                "update refresh_tokens set revoked = true, updated_at = now() where session_id = %s and not revoked",
                (row["session_id"],),
            )
            connection.commit()
            raise Refusal(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
    if issued is None:
        connection.execute("update refresh_tokens set revoked = true, updated_at = now() where id = %s", (row["id"],))
        issued = accounts.new_refresh_token(connection, user, row["session_id"], given)
    connection.execute(
        "update sessions set refreshed_at = now() at time zone 'utc', updated_at = now(), ip = %s, user_agent = %s"
        " where id = %s",
        (ask.address or None, ask.headers.get("user-agent"), row["session_id"]),
    )
    accounts.write_down(connection, "token_refreshed", user, ask.address)
    return auth.tokens(connection, user, row["session_id"], issued)


def _pkce(auth: Auth, ask: Ask, connection: Connection) -> Row:
    code, verifier = ask.text("auth_code"), ask.text("code_verifier")
    if not code or not verifier:
        raise invalid("invalid request: both auth code and code verifier should be non-empty")
    state = connection.execute("select * from flow_state where auth_code = %s", (code,)).fetchone()
    user = accounts.by_id(connection, state["user_id"]) if state and state["user_id"] else None
    if state is None or user is None:
        raise Refusal(404, "flow_state_not_found", "invalid flow state, no valid flow state found")
    issued = state["auth_code_issued_at"] if state["authentication_method"] == "magiclink" else None
    if accounts.now() > (issued or state["created_at"]) + timedelta(seconds=300):
        raise Refusal(422, "flow_state_expired", "invalid flow state, flow state has expired")
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if state["code_challenge"] != (challenge if state["code_challenge_method"] == "s256" else verifier):
        raise Refusal(400, "bad_code_verifier", "code challenge does not match previously saved code verifier")
    connection.execute("delete from flow_state where id = %s", (state["id"],))
    accounts.write_down(connection, "login", user, ask.address, provider_type=state["provider_type"])
    return auth.open_session(ask, connection, user, state["authentication_method"])


def logout(auth: Auth, ask: Ask, connection: Connection) -> None:
    """``POST /logout?scope=global|local|others``: session rows go, and refresh tokens with them."""
    user, session = auth.signed_in(ask, connection)
    scope = ask.query.get("scope") or "global"
    if scope not in ("global", "local", "others"):
        raise invalid(f'Unsupported logout scope "{scope}"')
    if session is None or scope == "global":
        connection.execute("delete from sessions where user_id = %s", (user["id"],))
    elif scope == "local":
        connection.execute("delete from sessions where id = %s", (session["id"],))
    else:
        connection.execute("delete from sessions where user_id = %s and id <> %s", (user["id"], session["id"]))
    accounts.write_down(connection, "logout", user, ask.address)


def show(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``GET /user``"""
    user, _ = auth.signed_in(ask, connection)
    return accounts.shown(connection, user)


def update(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``PUT /user``: password, metadata, address."""
    user, session = auth.signed_in(ask, connection)
    auth.limits.take("otp", ask.address)
    password, email = ask.text("password"), ask.text("email").lower()
    if email:
        email = auth.check_email(email)
    if "password" in ask.body and ask.body["password"] is not None:
        auth.check_strength(password)
    if ask.mapping("app_metadata") is not None:
        raise Refusal(403, "not_admin", "Updating app_metadata requires admin privileges")
    if user["is_sso_user"] and (password or (email and email != user["email"])):
        message = "Updating email, phone, password of a SSO account only possible via SSO"
        raise Refusal(422, "user_sso_managed", message)
    if email and email != user["email"] and accounts.by_email(connection, email):
        raise email_exists()
    if password:
        user = _change_password(auth, ask, connection, user, session, password)
    if (data := ask.mapping("data")) is not None:
        user = accounts.change(connection, user, raw_user_meta_data=accounts.merged(user["raw_user_meta_data"], data))
    if email and email != user["email"]:
        user = send_email_change(auth, ask, connection, user, email)
    accounts.write_down(connection, "user_modified", user, ask.address)
    return accounts.shown(connection, user)


def _change_password(
    auth: Auth, ask: Ask, connection: Connection, user: Row, session: Row | None, password: str
) -> Row:
    is_old = session is None or accounts.now() > session["created_at"] + timedelta(hours=24)
    if auth.switches["reauthentication"] and is_old:
        nonce = ask.text("nonce")
        if not nonce:
            raise Refusal(400, "reauthentication_needed", "Password update requires reauthentication")
        _check_nonce(auth, user, nonce)
    if user["encrypted_password"]:
        # a session that began with a link of a mail is trusted as it is
        is_recovery = session is not None and {"otp", "magiclink", "recovery"} & set(session["methods"])
        if auth.switches["require_current_password"] and not is_recovery:
            message = "Current password required when setting new password."
            if not ask.text("current_password"):
                raise Refusal(400, "current_password_required", message)
            if not accounts.matches(user, ask.text("current_password")):
                raise Refusal(400, "current_password_mismatch", message)
        if accounts.matches(user, password):
            message = "New password should be different from the old password."
            raise Refusal(422, "same_password", message)
    accounts.write_down(connection, "user_updated_password", user, ask.address)
    return accounts.set_password(connection, user, accounts.hashed(password), session["id"] if session else None)


def _check_nonce(auth: Auth, user: Row, nonce: str) -> None:
    wanted = accounts.token_hash(user["email"] or "", nonce)
    is_right = user["reauthentication_token"] == wanted
    if not is_right or not accounts.is_fresh(user, "reauthentication_token", auth.switches["otp_seconds"]):
        raise Refusal(422, "reauthentication_not_valid", "Nonce has expired or is invalid")


def reauthenticate(auth: Auth, ask: Ask, connection: Connection) -> Row:
    """``GET /reauthenticate``: mails a code for the next change of the password."""
    user, _ = auth.signed_in(ask, connection)
    if user["email_confirmed_at"] is None:
        raise Refusal(422, "email_not_confirmed", "Please verify your email first.")
    code = accounts.one_time_code()
    hashed = accounts.token_hash(user["email"], code)
    last = user["reauthentication_sent_at"]
    auth.send(user["email"], "reauthentication", code, hashed, auth.referrer(ask), last=last)
    accounts.store_token(connection, user, "reauthentication_token", hashed, user["email"])
    return {}
