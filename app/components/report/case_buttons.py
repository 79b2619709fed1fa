"""What a person says of a case: done, needs no answer, does not matter; and the way back."""

from __future__ import annotations

from nicegui import ui

from app.components.base.actions import act
from app.components.base.html import button, div, span
from app.texts import t
from services.reports import cases
from synkro.reporting.cases import REASONS, Case


class CaseButtons:
    """The buttons of one open case; once it is dismissed, what was said of it and «undo»."""

    def __init__(self, slug: str, case: Case) -> None:
        self.slug, self.case = slug, case
        with div("case-marks no-print", mark="case-marks"):
            self._draw()

    @ui.refreshable_method
    def _draw(self) -> None:
        case = self.case
        if case.is_open:
            for reason in REASONS:
                # an answer is nothing a deal needs
                if reason != "no_reply_needed" or (case.client_id is not None and case.evidence_message_id):
                    button(
                        t(f"case.reason.{reason}"),
                        lambda reason=reason: self._dismiss(reason),
                        "link small",
                        mark=f"case-{reason}",
                    )
        elif case.state == "dismissed":
            span("small muted", t("case.dismissed", reason=t(f"case.reason.{case.dismissed_reason}").lower()))
            button(t("case.undo"), self._undo, "link small", mark="case-undo")
        else:
            span("small muted", t(f"case.state.{case.state}"))

    async def _dismiss(self, reason: str) -> None:
        self._take(await act(lambda who: cases.dismiss(who, self.slug, self.case.case_id, reason)))

    async def _undo(self) -> None:
        self._take(await act(lambda who: cases.undo(who, self.slug, self.case.case_id)))

    def _take(self, case: Case | None) -> None:
        if case is not None:
            self.case = case
            self._draw.refresh()
