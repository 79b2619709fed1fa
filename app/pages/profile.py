"""``/profile``: one's own name, language, time zone, theme, password, second step, open sessions."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, link, note, span, table, tag
from app.components.report.parts import section
from app.components.settings.runtime_form import zones
from app.components.settings.session_list import close_open_pages, session_table
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import NAMES, t
from services.access import Viewer
from services.people import accounts as sessions
from services.people import profile
from synkro import accounts
from synkro.accounts import second_factor
from synkro.accounts.sessions import OpenSession
from synkro.core.settings import settings as env


@page("/profile")
async def profile_page(viewer: Viewer) -> None:
    factor = await off_loop(second_factor.status, viewer.user_id)
    current = ui.context.client.request.state.caller.session_id
    own = await off_loop(sessions.own_sessions, viewer, current)
    with frame(viewer, t("profile.title"), on="profile"):
        with heading(t("profile.title"), viewer.user.email):
            pass
        Profile(viewer).draw()
        with div("grid2"):
            with section(t("profile.theme"), mark="theme-section"), div("chips"):
                for choice in ("auto", "light", "dark"):
                    tag("button", "chip", t(f"theme.{choice}"), type="button", mark=f"theme-{choice}").on(
                        "click", js_handler=f"() => synkro.theme('{choice}')"
                    )
            with section(t("profile.password"), mark="password-section"):
                span("muted", t("profile.password_lead"))
                with div("line"):
                    link(t("password.title"), "/profile/password", "btn", mark="change-password")
                    if accounts.can_write_letters():
                        link(t("profile.email"), "/profile/email", "btn", mark="change-email")
        with section(t("factor.title"), mark="second-factor-section"):
            if factor.is_on:
                span("muted", f"{t('factor.on')} {t('factor.left', n=factor.codes_left)}")
            else:
                span("muted", t("factor.off"))
                if viewer.is_operator and env().is_demo:
                    note(t("factor.exempt"), mark="demo-exempt")
                elif viewer.is_any_admin:
                    note(t("factor.advised"), "warn", mark="factor-advised")
            with div("line"):
                link(
                    t("factor.manage" if factor.is_on else "factor.turn_on"),
                    "/profile/second-factor",
                    "btn",
                    mark="factor",
                )
        OwnSessions(viewer, own, current).draw()
        with tag("section", "card flush", mark="memberships"):
            with div("card-head"):
                tag("h2", "", t("profile.access"))
            table(
                [(t("tenants.name"), "lead"), (t("people.role"), "")],
                [
                    (tenant.name, lambda tenant=tenant: badge(t(f"role.{viewer.role_in(tenant.tenant_id)}")))  # type: ignore[misc]
                    for tenant in viewer.tenants[:100]
                ],
            )


class OwnSessions:
    """The browsers the person is signed in with."""

    def __init__(self, viewer: Viewer, found: list[OpenSession], current: str) -> None:
        self.viewer = viewer
        self.found = found
        self.current = current

    @ui.refreshable_method
    def draw(self) -> None:
        with tag("section", "card flush", mark="own-sessions"):
            with div("card-head"):
                tag("h2", "", t("sessions.title"))
                span("small muted", t("sessions.lead"))
                if len(self.found) > 1:
                    button(t("sessions.end_others"), self._end_others, "small danger", mark="end-others")
            session_table(self.found, self.viewer.user.timezone, self._end, mark="sessions")

    async def _end(self, one: OpenSession) -> None:
        await self._do(lambda who: sessions.end_own_session(who, one.session_hash))

    async def _end_others(self) -> None:
        await self._do(lambda who: sessions.end_other_sessions(who, self.current))

    async def _do(self, work: Callable[[Viewer], None]) -> None:
        await act(work, done=t("sessions.ended"))
        await close_open_pages()
        fresh = await act(lambda who: sessions.own_sessions(who, self.current))
        if fresh is not None:
            self.found = fresh
            self.draw.refresh()


class Profile:
    def __init__(self, viewer: Viewer) -> None:
        self.user = viewer.user

    def draw(self) -> None:
        user = self.user
        with section(t("profile.about"), mark="profile"):
            with forms.row():
                self.name = forms.text(t("profile.name"), "profile-name", user.full_name)
                # the number itself is not shown again, like everywhere else
                self.phone = forms.text(
                    t("profile.phone"), "profile-phone", "", placeholder=formatting.phone(user.phone)
                )
                self.zone = forms.select(
                    t("profile.timezone"),
                    "profile-timezone",
                    sorted({*zones(), user.timezone}),
                    user.timezone,
                    search=True,
                )
                self.language = forms.select(t("profile.language"), "profile-language", NAMES, user.language)
            with div("line"):
                button(t("settings.save"), self._save, "primary", mark="save-profile")

    async def _save(self) -> None:
        name, phone = self.name.value or "", self.phone.value or self.user.phone or ""
        zone, language = self.zone.value or "", self.language.value
        saved = await act(lambda who: profile.save_profile(who, name, phone, zone, language), done=t("settings.saved"))
        if saved is not None and saved.language != self.user.language:
            ui.navigate.reload()
        self.user = saved or self.user
