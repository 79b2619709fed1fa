"""``/t/{slug}/settings``: integrations, runtime, calendar, topics, people. For administrators of the tenant."""

from __future__ import annotations

from app.components.base.html import div, link, tag
from app.components.settings.calendar_editor import CalendarEditor
from app.components.settings.chat_import import ChatImport
from app.components.settings.integration_form import IntegrationForm
from app.components.settings.people_editor import PeopleEditor
from app.components.settings.runtime_form import RuntimeForm
from app.components.settings.telegram_chats import TelegramChats
from app.components.settings.topics_editor import TopicsEditor
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.settings import configuration, topics
from synkro.connectors.integrations import KINDS
from synkro.connectors.registry import CONNECTORS

TABS = ("integrations", "runtime", "calendar", "topics", "people")


@page("/t/{slug}/settings")
async def settings_page(viewer: Viewer, slug: str, tab: str = "integrations") -> None:
    view = await off_loop(configuration.load, viewer, slug)
    shown = tab if tab in TABS else TABS[0]
    asked_about = await off_loop(topics.load, viewer, slug) if shown == "topics" else None
    with frame(viewer, t("settings.title"), tenant=view.tenant, on="settings"):
        with heading(t("settings.title"), view.tenant.name):
            pass
        with tag("nav", "tabs"):
            for name in TABS:
                href = f"/t/{slug}/settings?tab={name}"
                link(t(f"settings.{name}"), href, "on" if name == shown else "", mark=f"tab-{name}")
        with div("stack loose"):
            if shown == "integrations":
                timezone = viewer.user.timezone
                chats = TelegramChats(view.tenant, view.integrations["telegram"], timezone)
                for kind in KINDS:
                    one = view.integrations[kind]
                    if kind == "telegram":
                        IntegrationForm(view.tenant, one, timezone, chats.show).draw()
                        chats.draw()
                    else:
                        IntegrationForm(view.tenant, one, timezone).draw()
                        if kind in CONNECTORS and CONNECTORS[kind].api is None:
                            ChatImport(view.tenant, one, timezone).draw()
            elif shown == "runtime":
                RuntimeForm(view, viewer.user.timezone).draw()
            elif shown == "calendar":
                CalendarEditor(view).draw()
            elif asked_about is not None:
                TopicsEditor(asked_about).draw()
            else:
                PeopleEditor(view, viewer).draw()
