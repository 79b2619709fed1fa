"""The door of the history: how far back the data reaches, and a day to load it from. For administrators."""

from __future__ import annotations

from nicegui import ui

from app import words
from app.components import forms
from app.components.actions import act
from app.components.html import button, facts, span
from app.components.report_parts import section
from app.components.runs_panel import RunsPanel
from app.services import reporting
from app.services.reporting import Listing
from app.texts import t
from synkro import clock, history
from synkro.errors import SynkroError
from synkro.watermarks import Backfill


class HistoryForm:
    def __init__(self, listing: Listing, panel: RunsPanel) -> None:
        self.listing = listing
        self.panel = panel

    def draw(self) -> None:
        config = self.listing.config
        first, last = history.bounds(config, clock.now())
        with section(t("history.title"), mark="history"):
            span("small muted", t("history.lead"))
            facts((words.source(source), self._reach(source)) for source in config.sources)
            for one in self.listing.unfinished:
                span("small warn wrap", _unfinished(one), mark="unfinished")
            self.day = forms.text(t("history.from"), "history-from", kind="date")
            self.day.control.props(f"min={first} max={last}")
            button(t("history.submit"), self._ask, "wide", mark="history-submit", icon_name="again")

    def _reach(self, source: str) -> str:
        day = history.since(self.listing.depths, source, self.listing.config)
        return t("history.since", day=words.day(day, year=True)) if day else t("history.none")

    async def _ask(self) -> None:
        self.day.wrong("")
        typed, slug = self.day.value or "", self.listing.tenant.slug
        if not typed:
            self.day.wrong(t("history.no_day"))
            return
        made = await act(lambda who: reporting.load_history(who, slug, typed), on_error=self._refused)
        if made is not None:
            ui.notify(t("history.queued") if made[1] else t("history.joined"), type="positive")
            await self.panel.reload()

    def _refused(self, error: SynkroError) -> None:
        text = error.message.removeprefix("Поле «from»: ")
        self.day.wrong(text[:1].upper() + text[1:])


def _unfinished(one: Backfill) -> str:
    """«Не дочитано: Radist, сообщения, 412 из 1 240»."""
    done = words.number(one.done)
    count = t("report.coverage_of", read=done, total=words.number(one.total)) if one.total else done
    return t("history.unfinished", source=words.source(one.source), stream=t(f"stream.{one.stream}"), count=count)
