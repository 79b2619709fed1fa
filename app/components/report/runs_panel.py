"""Runs under way and the last ones that failed: progress, log, stop, repeat. Redrawn from memory, never from the database."""

from __future__ import annotations

from uuid import UUID

from nicegui import context, ui

from app import formatting
from app.components.base.actions import act
from app.components.base.html import button, div, link, note, span, tag
from app.components.report.parts import log_lines, progress, run_badge, section, step_text
from app.live import live
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.reports import runs
from services.reports.runs import Listing, Progress
from synkro.core import clock
from synkro.runs import history
from synkro.runs.queue import Run

#: pages look into memory this often
LOOK_SECONDS = 1.0
#: both sources tell a line a stream: fewer would hide the first of them
LOG_LINES = 30


class RunsPanel:
    def __init__(self, viewer: Viewer, listing: Listing, progress: Progress) -> None:
        self.viewer = viewer
        self.client = context.client
        self.tenant = listing.tenant
        self.config = listing.config
        self.zone = listing.config.timezone
        self.channel = live.join(self.client, viewer.user_id, listing.tenant.tenant_id)
        self.progress = progress
        self.seen = self.channel.version
        self._active = {one.run_id for one in progress.runs if one.is_active}

    def draw(self) -> None:
        self._body()
        ui.timer(LOOK_SECONDS, self._look)

    async def reload(self) -> None:
        """Show what was just asked for without waiting for the poller."""
        fresh = await off_loop(runs.progress, self.viewer.user_id, self.tenant.tenant_id)
        self._show(fresh)

    def _look(self) -> None:
        if self.channel.version != self.seen and self.channel.progress is not None:
            self.seen = self.channel.version
            self._show(self.channel.progress)

    def _show(self, fresh: Progress) -> None:
        self.progress = fresh
        active = {one.run_id for one in fresh.runs if one.is_active}
        ended = [one for one in fresh.runs if one.run_id in self._active - active and one.status == "success"]
        self._active = active
        self._body.refresh()
        if ended:
            with self.client:
                ui.notify(t("run.ready"), type="positive")
                # a new row belongs into the list: only this page of the person is drawn again
                ui.run_javascript("setTimeout(() => location.reload(), 1200)")

    @ui.refreshable_method
    def _body(self) -> None:
        with div("stack loose", mark="runs"):
            for one in self.progress.runs:
                if one.is_active:
                    self._active_card(one)
            newest = self.progress.runs[0] if self.progress.runs else None
            if newest is not None and newest.status in ("failed", "cancelled"):
                self._failed_card(newest)

    def _active_card(self, one: Run) -> None:
        with section(self._window(one), mark="active-run"):
            with div("line between"):
                with div("line"):
                    run_badge(one.status)
                    span("", step_text(one.current_step))
                span("muted", formatting.percent(runs.percent(one)))
            progress(one)
            self._hints(one)
            self._log(one.run_id)
            with div("line"):
                button(
                    t("run.stopping") if one.status == "cancelling" else t("run.stop"),
                    lambda: self._stop(one.run_id),
                    "small",
                    mark="stop-run",
                    icon_name="stop",
                    disabled=one.status == "cancelling" or None,
                )

    def _hints(self, one: Run) -> None:
        quiet = runs.silence(one)
        if quiet is None:
            return
        if one.status == "pending":
            text = t("run.not_picked") if self.progress.is_worker_alive else t("run.no_worker")
            note(text, "warn", mark="not-picked")
        else:
            note(t("run.silent", time=formatting.minutes(quiet)), "warn", mark="silent")

    def _log(self, run_id: UUID) -> None:
        events = self.progress.events.get(run_id)
        if not events:
            return
        log_lines(events[-LOG_LINES:], self.zone)

    def _failed_card(self, one: Run) -> None:
        with section(self._window(one), mark="failed-run"):
            with div("line"):
                run_badge(one.status)
                span("muted small", formatting.ago(clock.of(one.finished_at)))
            if one.status == "failed":
                note(one.error or t("run.no_cause"), "bad", mark="run-error")
                if one.error_detail and self.viewer.is_admin(one.tenant_id):
                    with tag("details"):
                        tag("summary", "small", t("run.detail"))
                        div("pre small muted", one.error_detail)
                if (at := runs.again_at(self.config, one)) is not None:
                    div("muted small", t("run.again_at", time=formatting.moment(at, self.zone)), mark="again-at")
            with div("line"):
                if one.job_type != "delivery":
                    button(
                        t("run.retry"), lambda: self._retry(one.run_id), "small", mark="retry-run", icon_name="again"
                    )
                if one.report_id:
                    link(t("overview.open_report"), f"/t/{self.tenant.slug}/reports/{one.report_id}", "btn small")

    def _window(self, one: Run) -> str:
        parts = [f"{formatting.moment(one.window_start, self.zone)} – {formatting.moment(one.window_end, self.zone)}"]
        if one.history_from is not None:
            day = history.day_of(one.history_from, self.config)
            parts.insert(0, t("history.loading", day=formatting.day(day, year=True)))
        if one.job_type == "delivery":
            parts.insert(0, t("run.delivery"))
        if one.attempt > 1:
            parts.append(t("run.attempt", n=one.attempt))
        return " · ".join(parts)

    async def _stop(self, run_id: UUID) -> None:
        if await act(lambda who: runs.stop(who, run_id), done=t("run.stop_asked")) is not None:
            await self.reload()

    async def _retry(self, run_id: UUID) -> None:
        if await act(lambda who: runs.retry(who, run_id), done=t("force.queued")) is not None:
            await self.reload()
