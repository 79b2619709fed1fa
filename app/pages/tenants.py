"""``/tenants``: the operator's list of companies."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from nicegui import ui

from analysis import topics as known_topics
from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, link, note, span, table, tag
from app.components.report.parts import run_badge, section
from app.components.settings.runtime_form import zones
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import known, language, t
from services import companies
from services.access import Viewer
from services.companies import Installation, TenantLine
from synkro.core import clock
from synkro.runs.heartbeats import ALIVE
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.topics import CORE


@page("/tenants")
async def tenants_page(viewer: Viewer) -> None:
    view = await off_loop(companies.installation, viewer)
    with frame(viewer, t("tenants.title"), on="tenants"):
        with heading(t("tenants.title"), formatting.plural(len(view.tenants), "plural.tenants")):
            pass
        _services(view)
        TenantList(view).draw()
        _spending(view)
        AddTenant(viewer).draw()


def _services(view: Installation) -> None:
    with div("line"):
        if "engine" not in view.beats:
            badge(t("tenants.no_engine"), "bad")
        for service, beat in sorted(view.beats.items()):
            alive = datetime.now(UTC) - beat < ALIVE
            name = t(f"service.{service}") if known(f"service.{service}") else service
            badge(
                f"{name}: {t('tenants.alive') if alive else formatting.ago(clock.of(beat))}", "good" if alive else "bad"
            )
    if view.failed_letters:
        note(t("tenants.letters", n=formatting.number(view.failed_letters)), "bad")


def _usd(value: Decimal) -> str:
    """A call costs a fraction of a cent."""
    return f"{formatting.number(float(value), 2 if not value or value >= Decimal('0.1') else 5)}{formatting.NBSP}$"


def _spending(view: Installation) -> None:
    """What the AI costs: a call, a report, a day, a month, each beside its cap."""
    caps = {name: _usd(value) for name, value in view.caps.items()}
    with tag("section", "card flush", mark="spending"):
        with div("card-head"):
            tag("h2", "", t("spend.title"))
            span("small muted", t("spend.lead", today=_usd(view.spent_today), cap=caps["installation_day"]))
        table(
            [
                (t("tenants.name"), "lead"),
                (t("spend.model"), ""),
                (t("spend.call", cap=caps["call"]), "num"),
                (t("spend.report", cap=caps["report"]), "num"),
                (t("spend.today", cap=caps["tenant_day"]), "num"),
                (t("spend.refused"), "num"),
                (t("spend.month"), "num"),
            ],
            [_spend_row(line) for line in view.tenants],
            mark="spend",
        )


def _spend_row(line: TenantLine) -> tuple[Any, ...]:
    one = line.spend
    if one is None:
        return (line.tenant.name, "—", "—", "—", "—", "—", "—")
    call = "—"
    if one.call_mean is not None and one.call_most is not None:
        call = t("spend.mean", mean=_usd(one.call_mean), most=_usd(one.call_most))
    return (
        line.tenant.name,
        one.model or "—",
        call,
        "—" if one.last_report is None else _usd(one.last_report),
        f"{_usd(one.today)} · {formatting.plural(one.calls_today, 'plural.calls')}",
        formatting.number(one.refused_today),
        _usd(one.month),
    )


class TenantList:
    def __init__(self, view: Installation) -> None:
        self.view = view
        #: the company whose form is open
        self.edited: Tenant | None = None

    @ui.refreshable_method
    def draw(self) -> None:
        with div("card flush"):
            table(
                [
                    (t("tenants.name"), "lead"),
                    (t("tenants.status"), ""),
                    (t("tenants.last_run"), ""),
                    (t("tenants.failures"), "num"),
                    (t("tenants.people"), "num"),
                    ("", ""),
                ],
                [self._row(line) for line in self.view.tenants],
                mark="tenants",
            )
        if self.edited is not None:
            self._form(self.edited)

    def _form(self, tenant: Tenant) -> None:
        with section(t("tenants.edit_title", slug=tenant.slug), mark="edit-tenant"):
            with forms.row():
                name = forms.text(t("tenants.name"), "edit-name", tenant.name)
                zone = forms.select(
                    t("profile.timezone"), "edit-timezone", sorted({*zones(), tenant.timezone}), tenant.timezone,
                    search=True,
                )  # fmt: skip
                states = {one: t(f"tenant.{one}") for one in ("active", "paused", "disabled")}
                status = forms.select(
                    t("tenants.status"), "edit-status", states, tenant.status, hint=t("tenants.disabled_hint")
                )

            async def save() -> None:
                typed, picked = str(name.value or ""), str(zone.value or "")
                done = await act(
                    lambda who: companies.edit(who, tenant.slug, name=typed, timezone=picked),
                    on_error=lambda error: name.wrong(error.message),
                )
                if done is None:
                    return
                self.edited = None
                if status.value != tenant.status:
                    await self._set(tenant.slug, str(status.value))
                else:
                    await self._renew()

            with div("line"):
                button(t("settings.save"), save, "primary", mark="edit-submit")
                button(t("words.cancel"), lambda: self._open(None), "", mark="edit-cancel")

    def _open(self, tenant: Tenant | None) -> None:
        self.edited = tenant
        self.draw.refresh()

    async def _renew(self) -> None:
        fresh = await act(companies.installation, done=t("settings.saved"))
        if fresh is not None:
            self.view = fresh
            self.draw.refresh()

    def _row(self, line: TenantLine) -> tuple[Any, ...]:
        tenant = line.tenant

        def name() -> None:
            link(tenant.name, f"/t/{tenant.slug}/reports", "strong wrap")
            span("small muted", tenant.slug)

        def last() -> None:
            if line.last_run is None:
                span("muted", "—")
                return
            with div("line"):
                run_badge(line.last_run["status"])
                span("small muted", formatting.ago(clock.of(line.last_run["created_at"])))
            if line.last_run["error"]:
                span("small bad wrap lines2", line.last_run["error"])

        def status() -> None:
            kind = {"active": "good", "paused": "warn"}.get(tenant.status, "bad")
            badge(t(f"tenant.{tenant.status}"), kind)

        def switch() -> None:
            button(t("tenants.edit"), lambda: self._open(tenant), "small", mark=f"edit-{tenant.slug}")
            if tenant.status == "active":
                button(
                    t("tenants.pause"), lambda: self._set(tenant.slug, "paused"), "small", mark=f"pause-{tenant.slug}"
                )
            else:
                button(
                    t("tenants.resume"), lambda: self._set(tenant.slug, "active"), "small", mark=f"resume-{tenant.slug}"
                )

        return (
            name,
            status,
            last,
            formatting.number(line.failures_7d),
            formatting.number(line.people),
            switch,
        )

    async def _set(self, slug: str, status: str) -> None:
        if await act(lambda who: companies.set_status(who, slug, status), done=t("settings.saved")) is not None:
            fresh = await act(companies.installation)
            if fresh is not None:
                self.view = fresh
                self.draw.refresh()


class AddTenant:
    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    def draw(self) -> None:
        with section(t("tenants.add"), mark="add-tenant"):
            with forms.row():
                self.name = forms.text(t("tenants.name"), "tenant-name")
                self.slug = forms.text(t("tenants.slug"), "tenant-slug", hint=t("tenants.slug_hint"))
                self.zone = forms.select(
                    t("profile.timezone"), "tenant-timezone", sorted({*zones(), self.viewer.user.timezone}),
                    self.viewer.user.timezone, search=True,
                )  # fmt: skip
                packs = {pack.key: pack.called(language()) for pack in map(known_topics.pack, known_topics.names())}
                self.pack = forms.select(t("topics.pack"), "tenant-pack", packs, CORE)
            with div("line"):
                button(t("tenants.add_submit"), self._add, "primary", mark="tenant-submit", icon_name="plus")
            span("small muted", t("tenants.add_hint"))

    async def _add(self) -> None:
        self.slug.wrong("")
        name, slug, zone = self.name.value or "", self.slug.value or "", self.zone.value or ""
        pack = str(self.pack.value or CORE)
        made = await act(
            lambda who: companies.add_tenant(who, name, slug, zone, pack),
            on_error=lambda error: self.slug.wrong(error.message),
        )
        if made is not None:
            ui.navigate.to(f"/t/{made.slug}/settings")
