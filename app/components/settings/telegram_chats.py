"""The chats that get a company's reports: bound by a code that is sent in them, unbound by a press."""

from __future__ import annotations

from nicegui import ui

from app.components.base.actions import act
from app.components.base.html import button, div, span, table, tag
from app.formatting import moment
from app.texts import t
from services.settings import configuration
from synkro.connectors.integrations import Integration
from synkro.reporting.delivery import telegram_chats
from synkro.reporting.delivery.telegram_chats import Chat, Code
from synkro.tenancy.tenants import Tenant

#: how often the open dialog asks whether the chat was bound
_LOOK_SECONDS = 2.0


class TelegramChats:
    def __init__(self, tenant: Tenant, integration: Integration, timezone: str) -> None:
        self.tenant = tenant
        self.integration = integration
        self.timezone = timezone

    @ui.refreshable_method
    def draw(self) -> None:
        chats = telegram_chats.chats(self.integration.public)
        with tag("section", "card flush", mark="telegram-chats"):
            with div("card-head"), div("line between").style("flex: 1"):
                with div("stack tight"):
                    tag("h2", "", t("chats.title"))
                    span("small muted", t("chats.about"))
                if "bot_token" in self.integration.hints:
                    button(t("chats.add"), self._add, "primary", mark="bind-chat", icon_name="plus")
            if chats:
                table(
                    [(t("chats.chat"), "lead"), (t("chats.kind"), ""), (t("people.access"), "")],
                    [
                        (
                            self._name(chat),
                            t("chats.group" if chat.is_group else "chats.private"),
                            self._unbind_button(chat),
                        )
                        for chat in chats
                    ],
                )
            else:
                with div("card-head"):
                    span("muted", t("chats.none" if "bot_token" in self.integration.hints else "chats.no_bot"))

    def show(self, integration: Integration) -> None:
        self.integration = integration
        self.draw.refresh()

    def _name(self, chat: Chat):  # type: ignore[no-untyped-def]
        def draw() -> None:
            span("strong wrap", chat.title or chat.chat_id)
            if chat.title:
                span("small muted", chat.chat_id)

        return draw

    def _unbind_button(self, chat: Chat):  # type: ignore[no-untyped-def]
        return lambda: button(
            t("chats.unbind"), lambda: self._unbind(chat), "small danger", mark=f"unbind-{chat.chat_id}"
        )

    async def _add(self) -> None:
        slug = self.tenant.slug
        made = await act(lambda who: configuration.telegram_code(who, slug))
        if made is not None:
            self._show_code(made)

    def _show_code(self, made: Code) -> None:
        before = set(telegram_chats.ids(self.integration.public))
        with ui.dialog() as dialog, ui.card():
            tag("h2", "", t("chats.code_title"))
            span("wrap", t("chats.code_until", when=moment(made.expires_at, self.timezone)))
            with div("stack tight"):
                span("strong", t("chats.private"))
                span("wrap", t("chats.by_link" if made.link else "chats.by_start"))
                # Telegram's own page: not a path of ours, so shown as text to copy or open
                shown = made.link or f"/start {made.code}"
                tag("code", "wrap", shown, mark="chat-link").style("padding: 8px 12px; overflow-wrap: anywhere")
            with div("stack tight"):
                span("strong", t("chats.group"))
                span("wrap", t("chats.by_command"))
                tag("code", "wrap", made.command, mark="chat-command").style(
                    "padding: 8px 12px; overflow-wrap: anywhere"
                )
            with div("line"):
                button(t("people.link_copy"), lambda: self._copy(shown), mark="copy-chat-link", icon_name="copy")
                button(t("people.link_done"), dialog.close, "primary", mark="close-chat-code")
            timer = ui.timer(_LOOK_SECONDS, lambda: self._look(before, dialog))
        dialog.on("hide", timer.cancel)
        dialog.on("hide", dialog.delete)
        dialog.props("persistent").open()

    async def _look(self, before: set[str], dialog: ui.dialog) -> None:
        """Close by itself when the code was used."""
        slug = self.tenant.slug
        found = await act(lambda who: configuration.telegram(who, slug))
        if found is None or set(telegram_chats.ids(found.public)) == before:
            return
        self.show(found)
        dialog.close()
        ui.notify(t("chats.bound"), type="positive")

    def _copy(self, text: str) -> None:
        ui.clipboard.write(text)
        ui.notify(t("people.link_copied"), type="positive")

    async def _unbind(self, chat: Chat) -> None:
        slug = self.tenant.slug
        with ui.dialog() as dialog, ui.card():
            tag("h2", "", t("chats.unbind_title"))
            span("wrap", t("chats.unbind_text", name=chat.title or chat.chat_id))
            with div("line"):
                button(t("chats.unbind"), lambda: dialog.submit(True), "danger", mark="confirm-unbind")
                button(t("words.cancel"), lambda: dialog.submit(False), mark="cancel-unbind")
        is_sure = await dialog
        dialog.delete()
        if is_sure:
            found = await act(lambda who: configuration.unbind_chat(who, slug, chat.chat_id), done=t("chats.unbound"))
            if found is not None:
                self.show(found)
