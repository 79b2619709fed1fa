"""Chats as files: chosen, uploaded, and for each file what came of it."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui
from nicegui.events import MultiUploadEventArguments

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, div, note, span, table, tag
from app.middleware import MAX_BODY, MAX_UPLOAD
from app.texts import t
from services.settings import chat_imports
from synkro.connectors.integrations import Integration
from synkro.connectors.whatsapp import archive, importing
from synkro.connectors.whatsapp.importing import FileResult, ImportResult, Upload
from synkro.tenancy.tenants import Tenant

#: how often an upload under way shows how far it is
_LOOK_SECONDS = 0.5


class ChatImport:
    def __init__(self, tenant: Tenant, integration: Integration, timezone: str) -> None:
        self.tenant = tenant
        self.integration = integration
        self.timezone = timezone
        self.total = 0
        self.done: list[FileResult] = []
        self.result: ImportResult | None = None

    def draw(self) -> None:
        with tag("section", "card stack", mark="chat-import"):
            with div("stack tight"):
                tag("h2", "", t("import.title"))
                span("small muted", t("import.about"))
            with forms.row():
                managers = str(self.integration.public.get("managers") or "")
                self.managers = forms.text(
                    t("import.managers"), "import-managers", managers, hint=t("import.managers.hint")
                )
                self.phone = forms.text(t("import.phone"), "import-phone", hint=t("import.phone.hint"), kind="tel")
            self.files = ui.upload(
                label=t("import.files"),
                multiple=True,
                auto_upload=True,
                max_file_size=archive.LARGEST,
                max_total_size=MAX_UPLOAD - MAX_BODY,
                max_files=importing.MOST_FILES,
                on_multi_upload=self._upload,
                on_rejected=lambda: ui.notify(t("import.rejected"), type="negative", multi_line=True),
            )
            self.files.props('accept=".txt,.zip" flat bordered').mark("import-files")
            self.files.props["data-testid"] = "import-files"
            self._shown()

    @ui.refreshable_method
    def _shown(self) -> None:
        if self.total and self.result is None:
            span("small muted", t("import.progress", done=len(self.done), total=self.total))
        if self.result is None:
            return
        note(_sentence(self.result), "warn" if self.result.failed else "", mark="import-result")
        table(
            [
                (t("import.file"), "lead"),
                (t("import.new"), "num"),
                (t("import.repeated"), "num"),
                (t("import.until"), "nowrap"),
            ],
            [
                (
                    _name(one),
                    formatting.number(one.messages) if not one.error else "—",
                    formatting.number(one.repeated) if not one.error else "—",
                    formatting.moment(one.until, self.timezone) if one.until else "—",
                )
                for one in self.result.files
            ],
            mark="import-files-result",
            tight=True,
        )

    async def _upload(self, event: MultiUploadEventArguments) -> None:
        slug, managers = self.tenant.slug, self.managers.value or ""
        phone = (self.phone.value or "").strip()
        if phone and len(event.files) > 1:
            self.phone.wrong(t("import.phone.one"))
            self.files.reset()
            return
        self.phone.wrong("")
        files = [
            # a browser's own bound is a courtesy: what is larger is refused by its size and not read
            Upload(
                one.name, await one.read() if one.size() <= archive.LARGEST else b"\0" * (archive.LARGEST + 1), phone
            )
            for one in event.files
        ]
        self.total, self.done, self.result = len(files), [], None
        self._shown.refresh()
        timer = ui.timer(_LOOK_SECONDS, self._shown.refresh)
        try:
            self.result = await act(lambda who: chat_imports.save(who, slug, files, managers, self.done.append))
        finally:
            timer.cancel()
        self.total = 0
        self.files.reset()
        self._shown.refresh()


def _sentence(result: ImportResult) -> str:
    parts = {
        "chats": formatting.plural(result.chats, "plural.chats"),
        "messages": formatting.plural(result.messages, "plural.messages"),
        "repeated": formatting.plural(result.repeated, "plural.repeated"),
    }
    return t("import.done", **parts)


def _name(one: FileResult) -> Callable[[], None]:
    def cell() -> None:
        span("wrap", formatting.masked(one.name))
        if one.error:
            span("small bad wrap", formatting.masked(one.error))
        elif not one.has_phone:
            badge(t("import.no_phone"), "warn")

    return cell
