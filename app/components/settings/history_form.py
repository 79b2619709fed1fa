"""The history: how far back the data reaches, and a day to load it from. For administrators."""

from __future__ import annotations

from nicegui import ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import button, facts, span
from app.components.report.parts import section
from app.components.report.runs_panel import RunsPanel
from app.texts import t
from services.reports import runs
from services.reports.runs import Listing
from synkro.core import clock
from synkro.core.errors import SynkroError
from synkro.runs import history
from synkro.runs.watermarks import Backfill


class HistoryForm:
    def __init__(self, listing: Listing, panel: RunsPanel) -> None:
        self.listing = listing
        self.panel = panel

    def draw(self) -> None:
        config = self.listing.config
        first, last = history.bounds(config, clock.now())
        with section(t("history.title"), mark="history"):
            span("small muted", t("history.lead"))
            facts((formatting.source(source), self._reach(source)) for source in config.sources)
            for one in self.listing.unfinished:
                span("small warn wrap", _unfinished(one), mark="unfinished")
            self.day = forms.text(t("history.from"), "history-from", kind="date")
            self.day.control.props(f"min={first} max={last}")
            button(t("history.submit"), self._ask, "wide", mark="history-submit", icon_name="again")

    def _reach(self, source: str) -> str:
        day = history.since(self.listing.depths, source, self.listing.config)
        return t("history.since", day=formatting.day(day, year=True)) if day else t("history.none")

    async def _ask(self) -> None:
        self.day.wrong("")
        typed, slug = self.day.value or "", self.listing.tenant.slug
        if not typed:
            self.day.wrong(t("history.no_day"))
            return
        made = await act(lambda who: runs.load_history(who, slug, typed), on_error=self._refused)
        if made is not None:
            ui.notify(t("history.queued") if made[1] else t("history.joined"), type="positive")
            await self.panel.reload()

    def _refused(self, error: SynkroError) -> None:
        text = error.message.removeprefix("Поле «from»: ")
        self.day.wrong(text[:1].upper() + text[1:])


def _unfinished(one: Backfill) -> str:
    """«Не дочитано: Radist, сообщения, 412 из 1 240»."""
    done = formatting.number(one.done)
    count = t("report.coverage_of", read=done, total=formatting.number(one.total)) if one.total else done
    return t("history.unfinished", source=formatting.source(one.source), stream=t(f"stream.{one.stream}"), count=count)
