"""What was sold, lost and is open: by manager and by channel, and how deals moved through the stages; each number leads to its rows."""

from __future__ import annotations

from collections.abc import Callable

from app import formatting
from app.components.base.html import Cell, div, link, span, table, tag
from app.components.report.parts import number_text, rows_href
from app.components.report.sections import company_cell
from app.texts import language, t
from services.reports.view import ReportView
from synkro.metrics.metric import SMALL_N, Metric
from synkro.metrics.registry import CHANNELS, MANAGERS
from synkro.reporting.body import ChannelSales, Sale, StageMoves

#: the columns of both tables
COLUMNS = (
    "deals_won",
    "deals_won_amount",
    "deals_won_average",
    "deals_lost",
    "deals_lost_amount",
    "deals_open",
    "deals_open_amount",
)
#: what of the company's numbers is nobody's
_UNASSIGNED = {column: f"{column}_unassigned" for column in ("deals_won", "deals_won_amount", "deals_lost")}


def draw(view: ReportView) -> None:
    """Nothing for a company without deals, and for a report that was written before there was this section."""
    sales = view.report.body.sales
    if sales is None:
        return
    with tag("section", "card flush", mark="sales"):
        with div("card-head"):
            tag("h2", "", t("report.sales"))
        if not sales:
            div("empty", t("report.no_sales"))
        else:
            table(
                _titles(MANAGERS, t("managers.name")),
                [*(_manager(view, sale) for sale in sales), *_nobody(view), _total(view)],
                mark="sales-managers",
            )
    _channels(view)
    _stages(view)


def _titles(metrics: dict[str, Metric], of: str) -> list[tuple[str, str]]:
    return [(of, "lead"), *((metrics[column].short_label(language()), "num") for column in COLUMNS)]


def _values(row: Sale | ChannelSales) -> dict[str, float | int | None]:
    return dict(
        zip(
            COLUMNS,
            (row.won, row.amount, row.average, row.lost, row.lost_amount, row.open, row.open_amount),
            strict=True,
        )
    )


def _manager(view: ReportView, sale: Sale) -> tuple[Cell, ...]:
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"
    return (
        sale.name,
        *(
            _cell(view, MANAGERS[column], value, rows_href(base, column, sale.manager_id), f"sale-{column}")
            for column, value in _values(sale).items()
        ),
    )


def _nobody(view: ReportView) -> list[tuple[Cell, ...]]:
    if not any(view.report.numbers.get(column) for column in _UNASSIGNED.values()):
        return []
    cells = (company_cell(view, _UNASSIGNED[column]) if column in _UNASSIGNED else "" for column in COLUMNS)
    return [(lambda: span("muted", t("waits.nobody")), *cells)]


def _total(view: ReportView) -> tuple[Cell, ...]:
    return (lambda: span("strong", t("managers.total")), *(company_cell(view, column) for column in COLUMNS))


def _channels(view: ReportView) -> None:
    rows = view.report.body.channels
    if not rows:
        return
    with tag("section", "card flush", mark="channels"):
        with div("card-head"):
            tag("h2", "", t("report.channels"))
            span("small muted", t("report.channels_lead"))
        table(
            _titles(CHANNELS, t("dialogs.channel")),
            [*(_channel(view, row) for row in rows), _total(view)],
            mark="sales-channels",
        )


def _channel(view: ReportView, row: ChannelSales) -> tuple[Cell, ...]:
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"
    return (
        row.channel or t("sales.no_channel"),
        *(
            _cell(view, CHANNELS[column], value, rows_href(base, column, channel=row.channel), f"channel-{column}")
            for column, value in _values(row).items()
        ),
    )


def _cell(view: ReportView, metric: Metric, value: float | int | None, href: str, mark: str) -> Callable[[], object]:
    text = number_text(metric, value, view.currency)
    return lambda: link(text, href, mark=mark)


def _stages(view: ReportView) -> None:
    """How many deals came to each stage and left it; of those that came, how many were sold."""
    rows = view.report.body.stages
    if not rows:
        return
    with tag("section", "card flush", mark="stages"):
        with div("card-head"):
            tag("h2", "", t("report.stages"))
            span("small muted", t("report.stages_lead"))
        table(
            [
                (t("stages.stage"), "lead"),
                (t("stages.entered"), "num"),
                (t("stages.left"), "num"),
                (t("stages.net"), "num"),
                (t("stages.conversion"), "num"),
            ],
            [_stage(row, shows_pipeline=len({one.pipeline for one in rows}) > 1) for row in rows],
            mark="stage-moves",
        )


def _stage(row: StageMoves, *, shows_pipeline: bool) -> tuple[Cell, ...]:
    def name() -> None:
        span("wrap", row.stage)
        if shows_pipeline and row.pipeline:
            span("small muted wrap", row.pipeline)

    net = row.entered - row.left
    sign = "+" if net > 0 else ""
    return (
        name,
        formatting.number(row.entered),
        formatting.number(row.left),
        sign + formatting.number(net),
        "" if row.is_end else _conversion(row),
    )


def _conversion(row: StageMoves) -> str:
    """«25 % (3 из 12)»; a share of fewer than ten deals says nothing."""
    if not row.cohort:
        return ""
    of = t("stages.of", won=formatting.number(row.won), cohort=formatting.number(row.cohort))
    return of if row.cohort < SMALL_N else f"{formatting.percent(row.won / row.cohort)} ({of})"
