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

#: the columns of both tables: a sum, and below it of how many deals; a card of the page has no room for more
COLUMNS: tuple[tuple[str, str], ...] = (
    ("deals_won_amount", "deals_won"),
    ("deals_won_average", ""),
    ("deals_lost_amount", "deals_lost"),
    ("deals_open_amount", "deals_open"),
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
    return [(of, "lead"), *((metrics[count or money].short_label(language()), "num") for money, count in COLUMNS)]


def _values(row: Sale | ChannelSales) -> dict[str, float | int | None]:
    return {
        "deals_won": row.won,
        "deals_won_amount": row.amount,
        "deals_won_average": row.average,
        "deals_lost": row.lost,
        "deals_lost_amount": row.lost_amount,
        "deals_open": row.open,
        "deals_open_amount": row.open_amount,
    }


def _manager(view: ReportView, sale: Sale) -> tuple[Cell, ...]:
    base = f"/t/{view.tenant.slug}/reports/{view.report.report_id}"
    values = _values(sale)

    def one(column: str) -> Callable[[], object]:
        href = rows_href(base, column, sale.manager_id)
        return _link(view, MANAGERS[column], values[column], href, f"sale-{column}")

    return (sale.name, *(_both(one(money), one(count) if count else None) for money, count in COLUMNS))


def _nobody(view: ReportView) -> list[tuple[Cell, ...]]:
    if not any(view.report.numbers.get(column) for column in _UNASSIGNED.values()):
        return []
    cells = (
        _both(_company(view, _UNASSIGNED.get(money, "")), _company(view, _UNASSIGNED.get(count, "")))
        for money, count in COLUMNS
    )
    return [(lambda: span("muted", t("waits.nobody")), *cells)]


def _total(view: ReportView) -> tuple[Cell, ...]:
    cells = (_both(_company(view, money), _company(view, count)) for money, count in COLUMNS)
    return (lambda: span("strong", t("managers.total")), *cells)


def _company(view: ReportView, column: str) -> Cell:
    return company_cell(view, column) if column else ""


def _both(money: Cell, count: Cell) -> Callable[[], None]:
    """A sum with its count below it."""

    def draw() -> None:
        for one in (money, count):
            if callable(one):
                one()
            elif one:
                span("", one)

    return draw


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
    values = _values(row)

    def one(column: str) -> Callable[[], object]:
        href = rows_href(base, column, channel=row.channel)
        return _link(view, CHANNELS[column], values[column], href, f"channel-{column}")

    return (
        row.channel or t("sales.no_channel"),
        *(_both(one(money), one(count) if count else None) for money, count in COLUMNS),
    )


def _link(view: ReportView, metric: Metric, value: float | int | None, href: str, mark: str) -> Callable[[], object]:
    text = number_text(metric, value, view.currency)
    return lambda: link(text, href, "small" if metric.unit == "count" else "", mark=mark)


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
