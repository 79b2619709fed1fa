"""Questions about a report: the thread, suggestions, the box. An answer is text with a way to its messages."""

from __future__ import annotations

from nicegui import ui

from app import formatting
from app.components.base.actions import act
from app.components.base.html import button, div, span, tag
from app.components.report.parts import evidence, section
from app.texts import t
from services.access import Viewer
from services.reports import questions
from services.reports.view import ReportView
from synkro.reporting.reports import Message


class FollowUp:
    def __init__(self, view: ReportView, viewer: Viewer) -> None:
        self.view = view
        self.viewer = viewer
        self.thread = view.thread
        self.is_busy = False

    def draw(self) -> None:
        with section(t("ask.title"), lead=t("ask.lead"), mark="followup"):
            self._messages()
            with div("chips no-print"):
                for number, text in enumerate(questions.suggested(self.view.report), 1):
                    tag("button", "chip", text, type="button", mark=f"suggestion-{number}").on(
                        "click", lambda text=text: self._ask(text), args=[]
                    )
            with div("stack no-print"):
                self.box = ui.textarea(placeholder=t("ask.placeholder")).props("outlined dense autogrow maxlength=1000")
                self.box.props["aria-label"] = t("ask.placeholder")
                self.box.mark("question")
                button(t("ask.submit"), lambda: self._ask(self.box.value or ""), "primary", mark="ask")

    @ui.refreshable_method
    def _messages(self) -> None:
        with div("stack", mark="thread"):
            for message in self.thread[-20:]:
                self._message(message)
            if self.is_busy:
                span("small muted", t("ask.thinking"))

    def _message(self, message: Message) -> None:
        author = message.author_name if message.channel == "web" else f"{message.author_name} · Telegram"
        div("question", message.question, title=author)
        if message.answer:
            div("answer", formatting.masked(message.answer), mark="answer")
            evidence(self.view.tenant.slug, message.evidence, 4)
        elif not self.is_busy or message is not self.thread[-1]:
            div("answer muted", t("ask.no_answer"))

    async def _ask(self, question: str) -> None:
        if self.is_busy:
            return
        slug, report_id = self.view.tenant.slug, self.view.report.report_id
        asked = await act(lambda who: questions.ask(who, slug, report_id, question))
        if asked is None:
            return
        self.box.value = ""
        self.is_busy = True
        self.thread = [*self.thread, asked]
        self._messages.refresh()
        await act(lambda who: questions.answer(who, slug, asked))
        self.is_busy = False
        fresh = await act(lambda who: questions.thread(who, slug, report_id))
        self.thread = fresh if fresh is not None else self.thread
        self._messages.refresh()
