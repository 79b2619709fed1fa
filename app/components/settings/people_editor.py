"""People of the tenant: invite, change the role, take it away."""

from __future__ import annotations

from uuid import UUID

from nicegui import ui

from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, span, table, tag
from app.components.report.parts import section
from app.formatting import moment
from app.texts import t
from services.access import Viewer
from services.people import members
from services.people.members import Invited
from services.settings import configuration
from services.settings.configuration import SettingsView
from synkro import accounts
from synkro.tenancy.invitations import Invitation
from synkro.tenancy.users import Membership, User

_ROLES = ("user", "admin_lite")


class PeopleEditor:
    def __init__(self, view: SettingsView, viewer: Viewer) -> None:
        self.view = view
        self.viewer = viewer

    @property
    def roles(self) -> dict[str, str]:
        return {role: t(f"role.{role}") for role in _ROLES}

    def draw(self) -> None:
        with div("stack loose"):
            with section(t("people.invite"), lead=t("people.invite_lead"), mark="invite"):
                with forms.row():
                    self.email = forms.text(t("login.email"), "invite-email", kind="email")
                    self.name = forms.text(t("profile.name"), "invite-name")
                    self.role = forms.select(t("people.role"), "invite-role", self.roles, "user")
                # nothing to choose where nobody writes letters
                self.by_letter = (
                    forms.switch(t("people.by_letter"), "invite-by-letter", False)
                    if accounts.can_write_letters()
                    else None
                )
                with div("line"):
                    button(t("people.invite_submit"), self._invite, "primary", mark="invite-submit", icon_name="plus")
            self._list()

    @ui.refreshable_method
    def _list(self) -> None:
        if self.view.invitations:
            self._invited()
        with tag("section", "card flush", mark="people"):
            with div("card-head"):
                tag("h2", "", t("settings.people"))
            active = [pair for pair in self.view.people if pair[1].is_active]
            table(
                [(t("people.person"), "lead"), (t("people.role"), ""), (t("people.access"), "")],
                [
                    (self._person(user), self._role(user, role), self._revoke_button(user, role))
                    for user, role in active
                ],
            )

    def _invited(self) -> None:
        """Invitations nobody has accepted yet."""
        with tag("section", "card flush", mark="invitations"):
            with div("card-head"):
                tag("h2", "", t("people.invited"))
            table(
                [
                    (t("people.person"), "lead"),
                    (t("people.role"), ""),
                    (t("people.until"), ""),
                    (t("people.access"), ""),
                ],
                [
                    (
                        self._invited_person(found),
                        self.roles[found.role],
                        moment(found.expires_at, self.view.tenant.timezone),
                        self._take_back_button(found),
                    )
                    for found in self.view.invitations
                ],
            )

    def _invited_person(self, found: Invitation):  # type: ignore[no-untyped-def]
        def draw() -> None:
            span("strong wrap", found.full_name or found.email)
            if found.full_name:
                span("small muted wrap", found.email)

        return draw

    def _take_back_button(self, found: Invitation):  # type: ignore[no-untyped-def]
        return lambda: button(
            t("people.take_back"), lambda: self._take_back(found), "small danger", mark=f"take-back-{found.email}"
        )

    async def _take_back(self, found: Invitation) -> None:
        slug = self.view.tenant.slug
        await act(lambda who: members.take_back(who, slug, found.invitation_id), done=t("people.taken_back"))
        await self._reload()

    def _person(self, user: User):  # type: ignore[no-untyped-def]
        def draw() -> None:
            span("strong wrap", user.full_name or user.email)
            if user.full_name:
                span("small muted wrap", user.email)
            if user.must_change_password:
                badge(t("people.not_yet"), "warn")

        return draw

    def _role(self, user: User, membership: Membership):  # type: ignore[no-untyped-def]
        def draw() -> None:
            select = ui.select(self.roles, value=membership.role).props("outlined dense options-dense")
            select.props["aria-label"] = t("people.role")
            select.mark(f"role-{user.email}")
            select.on_value_change(lambda event: self._change(user.user_id, event.value))

        return draw

    def _revoke_button(self, user: User, membership: Membership):  # type: ignore[no-untyped-def]
        return lambda: button(
            t("people.revoke"), lambda: self._revoke(user), "small danger", mark=f"revoke-{user.email}"
        )

    async def _reload(self) -> None:
        fresh = await act(lambda who: configuration.load(who, self.view.tenant.slug))
        if fresh is not None:
            self.view = fresh
        self._list.refresh()

    async def _invite(self) -> None:
        slug = self.view.tenant.slug
        email, name, role = self.email.value or "", self.name.value or "", self.role.value
        by_letter = self.by_letter is not None and bool(self.by_letter.value)
        self.email.wrong("")
        invited = await act(
            lambda who: members.invite(who, slug, email, name, role, by_letter=by_letter),
            on_error=lambda error: self.email.wrong(error.message),
        )
        if invited is None:
            return
        self.email.control.value = self.name.control.value = ""
        await self._reload()
        self._show_link(invited)

    def _show_link(self, invited: Invited) -> None:
        with ui.dialog() as dialog, ui.card():
            tag("h2", "", t("people.link_title"))
            span("wrap", t("people.link_written" if invited.is_written else "people.link_text", email=invited.email))
            tag("code", "wrap", invited.link, mark="invitation-link").style(
                "padding: 8px 12px; overflow-wrap: anywhere"
            )
            with div("line"):
                button(t("people.link_copy"), lambda: self._copy(invited.link), mark="copy-link")
                button(t("people.link_done"), dialog.close, "primary", mark="close-link")
        dialog.on("hide", dialog.delete)
        dialog.props("persistent").open()

    def _copy(self, link: str) -> None:
        ui.clipboard.write(link)
        ui.notify(t("people.link_copied"), type="positive")

    async def _change(self, user_id: UUID, role: str) -> None:
        slug = self.view.tenant.slug
        await act(lambda who: members.change_role(who, slug, user_id, role), done=t("settings.saved"))
        await self._reload()

    async def _revoke(self, user: User) -> None:
        slug = self.view.tenant.slug
        with ui.dialog() as dialog, ui.card():
            tag("h2", "", t("people.revoke_title"))
            span("wrap", t("people.revoke_text", email=user.email))
            with div("line"):
                button(t("people.revoke"), lambda: dialog.submit(True), "danger", mark="confirm-revoke")
                button(t("words.cancel"), lambda: dialog.submit(False), mark="cancel-revoke")
        is_sure = await dialog
        dialog.delete()
        if is_sure:
            await act(lambda who: members.revoke(who, slug, user.user_id), done=t("people.revoked"))
            await self._reload()
