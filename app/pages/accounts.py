"""``/accounts``: everybody who can sign in, for the operator; ``/accounts/{user_id}``: one of them, roles and sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from nicegui import ui

from app import formatting
from app.components.base.actions import act
from app.components.base.html import badge, button, div, empty, facts, link, pager, span, table, tag
from app.components.report.parts import section
from app.components.settings.session_list import close_open_pages, session_table
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.people import accounts
from services.people.accounts import Account, Detail, Granted
from synkro.accounts.sessions import OpenSession
from synkro.core import clock


@page("/accounts")
async def accounts_page(viewer: Viewer, q: str = "", p: int = 1) -> None:
    found = await off_loop(accounts.listing, viewer, q, p)
    with frame(viewer, t("accounts.title"), on="accounts"):
        with heading(t("accounts.title"), formatting.plural(found.total, "plural.people")):
            pass
        with tag("form", "line", method="get", action="/accounts", role="search"):
            tag("input", "search", name_="q", value=q[:200], placeholder=t("accounts.search"), aria_label=t("accounts.search"),
                maxlength="200", mark="account-search")  # fmt: skip
            tag("button", "btn", t("accounts.find"), type="submit", mark="account-find")
        if not found.accounts:
            empty("user", t("accounts.none"), "")
            return
        with div("card flush"):
            table(
                [
                    (t("people.person"), "lead"),
                    (t("accounts.state"), ""),
                    (t("accounts.roles"), "full"),
                    (t("sessions.seen"), "nowrap"),
                ],
                [_row(account) for account in found.accounts],
                mark="accounts",
            )
        pager(max(p, 1), -(-found.total // accounts.PAGE), lambda n: "/accounts?" + urlencode({"q": q[:200], "p": n}))


def _row(account: Account) -> tuple[Any, ...]:
    user = account.user

    def name() -> None:
        link(user.full_name or user.email, f"/accounts/{user.user_id}", "strong wrap", mark=f"account-{user.email}")
        if user.full_name:
            span("small muted wrap", user.email)

    seen = formatting.ago(clock.of(account.last_seen_at)) if account.last_seen_at else "—"
    return name, lambda: _state(account), lambda: _roles(account.roles), seen


def _state(account: Account) -> None:
    badge(t("accounts.blocked" if account.is_blocked else "accounts.active"), "bad" if account.is_blocked else "good")
    if account.has_second_factor:
        badge(t("accounts.factor"))
    if account.user.must_change_password:
        badge(t("people.not_yet"), "warn")


def _roles(roles: list[Granted]) -> None:
    if not roles:
        span("muted", "—")
    for one in roles[:5]:
        with div("line"):
            badge(t(f"role.{one.role}"))
            if one.company:
                span("small wrap", one.company)
    if len(roles) > 5:
        span("small muted", t("accounts.more", n=len(roles) - 5))


@page("/accounts/{user_id}")
async def account_page(viewer: Viewer, user_id: UUID) -> None:
    found = await off_loop(accounts.detail, viewer, user_id)
    user = found.account.user
    with frame(viewer, user.full_name or user.email, on="accounts"):
        with heading(user.full_name or user.email, user.email, [(t("accounts.title"), "/accounts")]):
            pass
        AccountEditor(viewer, found).draw()


class AccountEditor:
    """Redrawn after every press from what the database says."""

    def __init__(self, viewer: Viewer, found: Detail) -> None:
        self.viewer = viewer
        self.found = found

    @property
    def user_id(self) -> UUID:
        return self.found.account.user.user_id

    @ui.refreshable_method
    def draw(self) -> None:
        account, factor = self.found.account, self.found.second_factor
        is_self = self.user_id == self.viewer.user_id
        with section(t("accounts.account"), mark="account"):
            with div("line"):
                _state(account)
            facts([(t("factor.title"), t("words.yes" if factor.is_on else "words.no"))])
            if is_self:
                span("muted", t("accounts.self"))
            else:
                with div("line"):
                    if account.is_blocked:
                        button(t("accounts.enable"), lambda: self._block(False), "primary", mark="enable")
                    else:
                        button(t("accounts.disable"), lambda: self._block(True), "danger", mark="disable")
                    if factor.is_on:
                        button(t("accounts.reset_factor"), self._reset_factor, mark="reset-factor")
        with tag("section", "card flush", mark="account-roles"):
            with div("card-head"):
                tag("h2", "", t("accounts.roles"))
            if account.roles:
                table(
                    [(t("people.role"), "lead"), (t("tenants.name"), ""), ("", "")],
                    [self._role(number, one, is_self) for number, one in enumerate(account.roles)],
                )
            else:
                span("muted pad", t("accounts.no_roles"))
        with tag("section", "card flush", mark="account-sessions"):
            with div("card-head"):
                tag("h2", "", t("sessions.title"))
                if self.found.sessions:
                    button(t("sessions.end_all"), self._end_all, "small danger", mark="end-all-sessions")
            session_table(self.found.sessions, self.viewer.user.timezone, self._end, mark="sessions")

    def _role(self, number: int, one: Granted, is_self: bool) -> tuple[Any, ...]:
        def press() -> None:
            if one.tenant_id is not None or not is_self:
                button(t("people.revoke"), lambda: self._revoke(one), "small danger", mark=f"revoke-role-{number}")

        return lambda: badge(t(f"role.{one.role}")), one.company or t("accounts.everywhere"), press

    async def _do(self, work: Callable[[Viewer], object], done: str) -> None:
        await act(work, done=done)
        await close_open_pages()
        fresh = await act(lambda who: accounts.detail(who, self.user_id))
        if fresh is not None:
            self.found = fresh
            self.draw.refresh()

    async def _block(self, is_blocked: bool) -> None:
        if is_blocked and not await _is_sure(
            t("accounts.disable_title"),
            t("accounts.disable_text", email=self.found.account.user.email),
            t("accounts.disable"),
        ):
            return
        await self._do(
            lambda who: accounts.set_blocked(who, self.user_id, is_blocked),
            t("accounts.disabled_now" if is_blocked else "accounts.enabled_now"),
        )

    async def _reset_factor(self) -> None:
        if await _is_sure(t("accounts.reset_factor"), t("accounts.reset_factor_text"), t("accounts.reset_factor")):
            await self._do(lambda who: accounts.reset_second_factor(who, self.user_id), t("settings.saved"))

    async def _revoke(self, one: Granted) -> None:
        if await _is_sure(
            t("people.revoke_title"),
            t("accounts.revoke_text", role=t(f"role.{one.role}"), company=one.company or t("accounts.everywhere")),
            t("people.revoke"),
        ):
            await self._do(lambda who: accounts.revoke_role(who, self.user_id, one.tenant_id), t("people.revoked"))

    async def _end(self, one: OpenSession) -> None:
        await self._do(lambda who: accounts.end_session(who, self.user_id, one.session_hash), t("sessions.ended"))

    async def _end_all(self) -> None:
        await self._do(lambda who: accounts.end_sessions(who, self.user_id), t("sessions.ended"))


async def _is_sure(title: str, text: str, press: str) -> bool:
    with ui.dialog() as dialog, ui.card():
        tag("h2", "", title)
        span("wrap", text)
        with div("line"):
            button(press, lambda: dialog.submit(True), "danger", mark="confirm")
            button(t("words.cancel"), lambda: dialog.submit(False), mark="cancel")
    sure = await dialog
    dialog.delete()
    return bool(sure)
