"""«Вчера советовали»: each case the report before advised, what became of it, and the row that proves it."""

from __future__ import annotations

from app import formatting
from app.components.base.html import badge, div, link, span, tag
from app.components.report.parts import dialog_href, section
from app.texts import known, t
from services.reports.view import ReportView
from synkro.reporting.body import AdvisedCase

_KINDS = {"done": "good", "dismissed": "", "open": "warn", "expired": "bad"}


def draw(view: ReportView) -> None:
    """Nothing for a report before which nothing was advised."""
    advice = view.report.body.advice
    if advice is None or not advice.items:
        return
    with section(formatting.masked(advice.text), mark="advice"), tag("ul", "plain stack tight"):
        for item in advice.items:
            with tag("li", "line top", mark="advised"):
                badge(
                    t(f"advice.{item.state}") if known(f"advice.{item.state}") else item.state,
                    _KINDS.get(item.state, ""),
                )
                with div("stack tight grow"):
                    span("wrap", formatting.masked(item.text))
                    if item.who or item.note:
                        span("small muted wrap", " · ".join(part for part in (item.who, item.note) if part))
                _proof(view, item)


def _proof(view: ReportView, item: AdvisedCase) -> None:
    """The message that proves it, or what else does; of one that is not done, the way to its dialog."""
    if item.dialog_id:
        ids = [item.message_id] if item.message_id else None
        name = "advice.proof.message" if item.proof == "message" else "report.open_dialog"
        link(t(name), dialog_href(view.tenant.slug, item.dialog_id, ids), "small nowrap no-print", mark="advice-proof")
    if item.proof and item.proof != "message":
        span("small muted nowrap", t(f"advice.proof.{item.proof}"))
