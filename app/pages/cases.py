"""``/t/{slug}/cases``: everything that needs somebody now, by kind and by manager, each with the way to act on it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from app import formatting
from app.components.base.html import badge, div, empty, link, span, table, tag
from app.components.report.case_buttons import CaseButtons
from app.components.report.parts import client_cell
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import t
from services.access import Viewer
from services.reports import cases
from services.reports.cases import Filter, OpenCases
from synkro.core import clock
from synkro.reporting.cases import Case


@page("/t/{slug}/cases")
async def cases_page(viewer: Viewer, slug: str, kind: str = "", manager: str = "") -> None:
    found = await off_loop(cases.load, viewer, slug, kind or None, manager or None)
    with frame(viewer, t("cases.title"), tenant=found.tenant, on="cases"):
        with heading(t("cases.title"), t("cases.lead")):
            pass
        if found.kinds or found.kind or found.manager_id:
            _filters(found)
        if not found.rows:
            is_filtered = found.kind or found.manager_id
            empty("check", t("cases.empty"), t("cases.empty_filtered" if is_filtered else "cases.empty_lead"))
            return
        _rows(found)


def _filters(found: OpenCases) -> None:
    with div("stack tight no-print", mark="case-filters"):
        _choices(
            found.kinds,
            found.kind,
            t("cases.all"),
            lambda key: _href(found, key, found.manager_id),
            lambda one: t(f"case.kind.{one.key}"),
        )
        if found.managers or found.manager_id:
            _choices(
                found.managers,
                found.manager_id,
                t("cases.everybody"),
                lambda key: _href(found, found.kind, key),
                lambda one: one.name,
            )


def _choices(
    choices: list[Filter],
    chosen: str | None,
    whole: str,
    href: Callable[[str | None], str],
    name: Callable[[Filter], str],
) -> None:
    with div("chips"):
        link(
            whole,
            href(None),
            "chip" if chosen else "chip on",
            mark="case-filter",
            aria_current=None if chosen else "true",
        )
        for one in choices:
            is_on = one.key == chosen
            link(
                f"{name(one)} · {formatting.number(one.n)}", href(one.key), "chip on" if is_on else "chip",
                mark="case-filter", aria_current="true" if is_on else None,
            )  # fmt: skip


def _href(found: OpenCases, kind: str | None, manager_id: str | None) -> str:
    asked = {name: value for name, value in (("kind", kind), ("manager", manager_id)) if value}
    return f"/t/{found.tenant.slug}/cases" + (f"?{urlencode(asked)}" if asked else "")


def _rows(found: OpenCases) -> None:
    with tag("section", "card flush", mark="cases"):
        with div("card-head"):
            tag("h2", "", t("cases.open", n=formatting.number(found.total)))
            if found.total > len(found.rows):
                span("small muted", t("cases.first", n=formatting.number(len(found.rows))))
        table(
            [
                (t("waits.client"), "lead"), (t("cases.what"), ""), (t("cases.since"), "nowrap"), (t("waits.money"), "num"),
                (t("waits.manager"), ""), (t("cases.say"), "full"),
            ],
            [
                (
                    _client(found, case), _what(case), _since(found, case), formatting.money(case.money, found.currency) if case.money else "",
                    case.manager_name or t("waits.nobody"), lambda case=case: CaseButtons(found.tenant.slug, case),  # type: ignore[misc]
                )
                for case in found.rows
            ],
            mark="case-rows",
        )  # fmt: skip


def _client(found: OpenCases, case: Case) -> Callable[[], object]:
    """The client leads to the dialog; a deal nobody is tied to stands by its own name."""
    slug, ids = found.tenant.slug, [case.evidence_message_id] if case.evidence_message_id else None

    def deal() -> None:
        if case.deal_name:
            span("small muted wrap lines2", formatting.masked(case.deal_name))

    if case.client_id is not None:
        return client_cell(slug, case.client_name, case.phone, case.dialog_id, ids, below=deal, mark="case")
    return lambda: span("strong wrap", formatting.masked(case.deal_name or t("cases.deal")))


def _what(case: Case) -> Callable[[], object]:
    def draw() -> None:
        badge(t(f"case.kind.{case.kind}"))
        if case.kind == "deal_stuck" and case.stage:
            span("small muted wrap", case.stage)
        if case.state == "advised":
            span("small muted", t("case.state.advised"))

    return draw


def _since(found: OpenCases, case: Case) -> Callable[[], object]:
    def draw() -> None:
        span("", formatting.minutes((clock.now() - case.began_at).total_seconds() / 60))
        span("small muted", formatting.moment(case.began_at, found.timezone))

    return draw
