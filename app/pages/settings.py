"""``/t/{slug}/settings``: integrations, runtime, calendar, people. For administrators of the tenant."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.components.calendar_editor import CalendarEditor
from app.components.integration_form import IntegrationForm
from app.components.people_editor import PeopleEditor
from app.components.runtime_form import RuntimeForm
from app.layout import frame, heading, page
from app.offload import off_loop
from app.services import settings
from app.services.access import Viewer
from app.texts import t
from synkro.integrations import KINDS

TABS = ("integrations", "runtime", "calendar", "people")


@page("/t/{slug}/settings")
async def settings_page(viewer: Viewer, slug: str, tab: str = "integrations") -> None:
    view = await off_loop(settings.load, viewer, slug)
    with frame(viewer, t("settings.title"), tenant=view.tenant, on="settings"):
        with heading(t("settings.title"), view.tenant.name):
            pass
        chosen: Any = tab if tab in TABS else TABS[0]
        with ui.tabs(value=chosen).props("align=left inline-label outside-arrows mobile-arrows") as tabs:
            for name in TABS:
                ui.tab(name, label=t(f"settings.{name}")).mark(f"tab-{name}").props["data-testid"] = f"tab-{name}"
        with ui.tab_panels(tabs, animated=False).classes("w-full").props("keep-alive"):
            with ui.tab_panel("integrations"), ui.element("div").classes("stack loose"):
                for kind in KINDS:
                    IntegrationForm(view.tenant, view.integrations[kind], viewer.user.timezone).draw()
            with ui.tab_panel("runtime"):
                RuntimeForm(view, viewer.user.timezone).draw()
            with ui.tab_panel("calendar"):
                CalendarEditor(view).draw()
            with ui.tab_panel("people"):
                PeopleEditor(view, viewer).draw()
