"""What a report of one side says of itself: why managers or waits are unknown, and what there is instead."""

from __future__ import annotations

from app.components.base.html import div, note
from app.components.report.parts import section
from services.reports.view import ReportView


def draw(view: ReportView) -> None:
    """Nothing where deals and dialogs are both read, and for a report written before there was this section."""
    mode = view.report.body.mode
    if mode is None:
        return
    if mode.note:
        note(mode.note, "", mark="mode")
    for part in mode.sections:
        with section(part.title, mark="mode-section"):
            for line in part.lines:
                div("item wrap", line)
