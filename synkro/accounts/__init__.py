"""How a person proves who they are: accounts kept by ourselves, or by Supabase Auth when ``SYNKRO_SUPABASE_URL`` is set.

The two keepers (``embedded.py``, ``supabase.py``) differ in where the password lives; profiles, roles and browser sessions
are ours either way. The functions here choose the keeper; nobody else asks which one it is, except through
:func:`is_supabase` where the two offer different things.

No function takes a connection: a call to Supabase must not hold one, and what follows it is a transaction of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from uuid import UUID

from synkro.accounts import attempts, embedded, links, mail, sessions, supabase
from synkro.accounts.passwords import check_password, one_time_password
from synkro.core.errors import AuthenticationError, ConfigurationError, DataError, NotFoundError, SynkroError
from synkro.core.settings import settings
from synkro.database import db
from synkro.tenancy import users
from synkro.tenancy.users import User

__all__ = [
    "Asked",
    "Confirmed",
    "Made",
    "add",
    "can_write_letters",
    "change_password",
    "check_own_password",
    "check_password",
    "confirm_code",
    "confirm_fragment",
    "confirm_link",
    "is_supabase",
    "known_of",
    "request_email_change",
    "request_recovery",
    "reset",
    "set_blocked",
    "set_own_password",
    "set_password",
    "sign_in",
    "write_invitation",
]

logger = logging.getLogger("synkro.accounts")

_LETTERS = {
    "invite": ("Приглашение в Synkro", "Вас пригласили в Synkro. Откройте ссылку, чтобы принять приглашение:"),
    "recovery": (
        "Новый пароль Synkro",
        "Откройте ссылку, чтобы задать новый пароль. Если вы этого не просили, ничего не делайте:",
    ),
    "email_change": ("Новая почта Synkro", "Откройте ссылку, чтобы подтвердить новый адрес:"),
}


@dataclass(frozen=True)
class Made:
    """A person who can sign in."""

    user: User
    #: made by us, shown once; empty when the person has a password of their own
    one_time_password: str
    #: Supabase had the account before: its password was not touched
    is_known: bool = False


@dataclass(frozen=True)
class Confirmed:
    """What a link of a letter proved."""

    user: User
    #: invite, recovery: the person sets a password next; email_change, others: they do not
    kind: str

    @property
    def may_set_password(self) -> bool:
        return self.kind in ("invite", "recovery")


def is_supabase() -> bool:
    return bool(settings().supabase_url)


def can_write_letters() -> bool:
    """Supabase sends its own letters; ours need ``SYNKRO_SMTP_URL``."""
    return is_supabase() or mail.is_configured()


# --- a person's own ---------------------------------------------------------------------------------------


def sign_in(email: str, password: str, ip_address: str | None = None, *, device: str | None = None) -> User:
    """The person with this password; raises :class:`AuthenticationError` and what else the keeper says in words.

    ``device``: the id of a browser that signed in to this account before, as whoever calls has checked.
    """
    with attempts.counted(email, ip_address, device=device):
        if not is_supabase():
            return embedded.verify(email, password)
        return _profile_of(supabase.verify(email, password, ip_address))


def check_own_password(user: User, password: str, ip_address: str | None) -> None:
    """Ask a signed-in person for their password once more; raises :class:`AuthenticationError`."""
    with attempts.counted(user.email, ip_address, kind="change"):
        found = (
            supabase.verify(user.email, password, ip_address)
            if is_supabase()
            else embedded.verify(user.email, password)
        )
        if found.user_id != user.user_id:
            raise AuthenticationError("Почта или пароль не подходят.")


def change_password(user: User, old: str, new: str, ip_address: str | None = None) -> None:
    """Needs the present password. Closes every browser session of the person."""
    if old == new:
        raise DataError("Новый пароль совпадает с нынешним. Придумайте другой.")
    check_password(new, known_of(user))
    with attempts.counted(user.email, ip_address, kind="change"):
        if is_supabase():
            try:
                supabase.change_password(user.email, old, new, ip_address)
            except AuthenticationError:
                if not _is_done_already(user, new, ip_address):
                    raise
        else:
            embedded.verify(user.email, old)
    _store_password(user.user_id, new, must_change=False, is_known=is_supabase())


def _is_done_already(user: User, new: str, ip_address: str | None) -> bool:
    """A first try that reached Supabase and not our own database left a one-time flag behind: the second one clears it."""
    if not user.must_change_password:
        return False
    try:
        return supabase.verify(user.email, new, ip_address).user_id == user.user_id
    except AuthenticationError:
        return False


def set_own_password(user: User, new: str) -> None:
    """After a link of a letter: the link stands for the present password. Closes every session of the person."""
    set_password(user.user_id, new, must_change=False)


def set_password(user_id: UUID, new: str, *, must_change: bool) -> None:
    """By an administrator, or after a link. Closes every browser session of the person."""
    with db.as_service("password") as connection:
        user = users.get(connection, user_id)
    check_password(new, known_of(user))
    if is_supabase():
        supabase.set_password(user_id, new)
    _store_password(user_id, new, must_change=must_change, is_known=is_supabase())


def reset(user: User) -> str:
    """The present password and the sessions end; the link by which the person, and nobody else, sets a new one."""
    set_password(user.user_id, one_time_password(), must_change=True)
    if is_supabase():
        return links.address(supabase.recovery_token(user.email), "recovery")
    with db.as_service("password") as connection:
        return links.make(connection, user.user_id, user.email, "recovery")


def set_blocked(user_id: UUID, is_blocked: bool) -> None:
    """Disable or enable the account. Disabling ends every browser session; open pages and programs' tokens end with it."""
    if is_supabase():
        supabase.set_blocked(user_id, is_blocked)
    with db.as_service("account") as connection:
        if not is_supabase():
            embedded.set_blocked(connection, user_id, is_blocked)
        if is_blocked:
            sessions.end_all(connection, user_id)


def known_of(user: User) -> list[str]:
    """What a guesser knows of a person: no password of theirs resembles it."""
    with db.as_service("password") as connection:
        rows = connection.execute(
            "select t.name from synkro.user_roles r join synkro.tenants t using (tenant_id) where r.user_id = %s"
            " order by r.is_active desc, t.name limit 20",
            (user.user_id,),
        ).fetchall()
    return [user.email, user.full_name, *(row["name"] for row in rows)]


def _store_password(user_id: UUID, new: str, *, must_change: bool, is_known: bool) -> None:
    """Our half of a change: the password itself unless Supabase has it, the flag, the sessions, the count of failures."""
    with db.as_service("password") as connection:
        attempts.forgive(connection, users.get(connection, user_id).email)
        if is_known:
            sessions.after_new_password(connection, user_id, must_change=must_change)
        else:
            embedded.set_password(connection, user_id, new, must_change=must_change)


# --- new people -------------------------------------------------------------------------------------------


def add(
    email: str,
    password: str | None = None,
    *,
    full_name: str = "",
    is_one_time: bool | None = None,
    company: str = "",
) -> Made:
    """A person who can sign in; without ``password`` a one-time one is made. ``company``: no password resembles its name.

    ``is_one_time``: whether it must be changed at the first sign-in; by default when it was made here. Somebody Supabase
    knows already gets a profile and keeps their password. Raises :class:`DataError` when they have a profile, too.
    """
    email = users.checked_email(email)
    given = password or one_time_password()
    check_password(given, (email, full_name, company))
    must_change = password is None if is_one_time is None else is_one_time
    if not is_supabase():
        with db.as_service("account") as connection:
            made = embedded.add(connection, email, given, full_name=full_name, must_change_password=must_change)
        return Made(made, "" if password else given)
    with db.as_service("account") as connection:
        known = _known_to_auth(connection, email)
        if known is not None:
            _refuse_known(connection, known, email)
            # whoever registered with the project keeps their own password: it is not ours to change
            return Made(users.make_profile(connection, known, email, full_name=full_name), "", is_known=True)
    account = supabase.create(email, given)
    with db.as_service("account") as connection:
        made = users.make_profile(
            connection, account.user_id, email, full_name=full_name, must_change_password=must_change
        )
    return Made(made, "" if password else given)


def write_invitation(email: str, link: str) -> bool:
    """A letter with the link of an invitation by our SMTP; without it Supabase's own letter, to an address it does not know.

    Returns whether Supabase wrote: its link leads to a new account, not to ours. Raises :class:`ConfigurationError` when no
    letters can be written.
    """
    if mail.is_configured():
        _write(email, "invite", link)
        return False
    if not is_supabase():
        raise ConfigurationError("Письма не настроены: задайте SYNKRO_SMTP_URL или передайте ссылку сами.")
    with db.as_service("account") as connection:
        if _known_to_auth(connection, email) is not None:
            return False
    supabase.invite(email, settings().base_url + links.PATH)
    return True


def _known_to_auth(connection: db.Connection, email: str) -> UUID | None:
    row = connection.execute("select private.account_of(%s) as id", (email,)).fetchone()
    return row["id"] if row else None


def _refuse_known(connection: db.Connection, user_id: UUID, email: str) -> None:
    try:
        users.get(connection, user_id)
    except NotFoundError:
        return
    raise DataError(f"Человек с адресом {email} уже есть.")


def _profile_of(account: supabase.Account) -> User:
    """A first sign-in makes the profile; a later one takes over an address changed at Supabase."""
    with db.as_service("login") as connection:
        return users.make_profile(connection, account.user_id, account.email)


# --- links of letters -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """What is left to do after somebody asked for a letter."""

    #: Supabase's code verifier, which the asking browser has to keep; empty for the embedded accounts
    verifier: str = ""
    #: address and link of the letter still to be sent; None: nothing to send, or sent by Supabase
    letter: tuple[str, str] | None = None

    def send(self) -> None:
        """After the answer, so that its time tells nobody who is known here; what goes wrong is for the log."""
        if self.letter is None:
            return
        email, link = self.letter
        try:
            _write(email, "recovery", link)
        except SynkroError as error:
            logger.warning("The letter with a new password was not sent: %s", error.message)


def request_recovery(email: str, ip_address: str | None) -> Asked:
    """A letter to whoever has this address, and the same answer when nobody has.

    Raises :class:`ConfigurationError` when no letters can be written, and Supabase's limits in words.
    """
    if is_supabase():
        return Asked(supabase.send_recovery(email, settings().base_url + links.PATH, ip_address))
    if not mail.is_configured():
        raise ConfigurationError(
            "Эта установка не пишет писем. Попросите администратора: новый пароль даёт команда synkro user password."
        )
    email = users.checked_email(email)
    with db.as_service("account") as connection:
        user_id = _known_to_auth(connection, email)
        try:
            link = links.make(connection, user_id, email, "recovery") if user_id else ""
        except DataError as error:
            # the limit of one address is nobody else's business
            logger.warning("The letter with a new password was not sent: %s", error.message)
            link = ""
    return Asked(letter=(email, link) if link else None)


def request_email_change(user: User, password: str, new_email: str, ip_address: str | None) -> str:
    """A letter to the new address; it counts once its link is opened. Returns Supabase's code verifier."""
    new_email = users.checked_email(new_email)
    if new_email == user.email:
        raise DataError("Это ваша нынешняя почта.")
    if not is_supabase() and not mail.is_configured():
        raise ConfigurationError("Эта установка не пишет писем: задайте SYNKRO_SMTP_URL.")
    with attempts.counted(user.email, ip_address, kind="change"):
        if is_supabase():
            return supabase.request_email_change(
                user.email, password, new_email, settings().base_url + links.PATH, ip_address
            )
        embedded.verify(user.email, password)
    with db.as_service("account") as connection:
        if _known_to_auth(connection, new_email) is not None:
            raise DataError(f"Адрес {new_email} уже занят другим человеком.")
        link = links.make(connection, user.user_id, new_email, "email_change")
    _write(new_email, "email_change", link)
    return ""


def confirm_link(token: str, kind: str, ip_address: str | None) -> Confirmed | None:
    """Take a link with ``token_hash``, once; ``None`` when a second letter has to be opened too (Supabase)."""
    if is_supabase():
        account = supabase.of_token_hash(token, kind, ip_address)
        return Confirmed(_profile_of(account), kind) if account else None
    with db.as_service("account") as connection:
        opened = links.use(connection, token)
        if opened.kind == "email_change":
            embedded.set_email(connection, opened.user_id, opened.email)
            users.make_profile(connection, opened.user_id, opened.email)
        return Confirmed(users.get(connection, opened.user_id), opened.kind)


def confirm_code(code: str, verifier: str, kind: str, ip_address: str | None) -> Confirmed:
    """Take a link of Supabase with ``code``, in the browser that asked for it."""
    return Confirmed(_profile_of(supabase.of_code(code, verifier, ip_address)), kind)


def confirm_fragment(access_token: str, kind: str) -> Confirmed:
    """Take what Supabase put behind ``#``: a link nobody of ours asked for, such as an invitation of the dashboard."""
    return Confirmed(_profile_of(supabase.of_access_token(access_token)), kind)


def _write(email: str, kind: str, link: str) -> None:
    subject, lead = _LETTERS[kind]
    mail.send(email, subject, f"{lead}\n\n{link}\n")
