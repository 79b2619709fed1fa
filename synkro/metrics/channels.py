"""Every column of ``marts.period_channels``: deals of sales by the channel of their client's first dialog."""

from __future__ import annotations

from synkro.metrics.metric import AMOUNT, AVERAGE, COUNT, WINDOW, Metric
from synkro.metrics.row_sets import CLOSED, CREATED, OPEN_THEN

_MINE = "r.channel = %(part)s"
_NEW = f"{_MINE} and {CREATED}"
_WON = f"{_MINE} and r.stage_kind = 'won' and {CLOSED}"
_PRICED = f"{_WON} and r.price > 0"
_LOST = f"{_MINE} and r.stage_kind = 'lost' and {CLOSED}"
_OPEN = f"{_MINE} and {OPEN_THEN}"

COLUMNS = (
    *WINDOW,
    Metric(
        "channel", "text", "windows", "true", "(array_agg(%(part)s::text))[1]",
        ru="Канал первого диалога клиента; пусто у сделок без переписки.",
        en="Channel of the client's first dialog; empty for deals without one.",
        label_ru="Канал", label_en="Channel",
    ),
    Metric(
        "deals_new", "count", "deals_by_channel", _NEW, COUNT,
        ru="Сделки канала, созданные в окне.",
        en="Deals of the channel created in the window.",
        label_ru="Новые сделки", label_en="New deals",
        better="more",
    ),
    Metric(
        "deals_new_amount", "money", "deals_by_channel", _NEW, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма новых сделок", label_en="New deals, amount",
        better="more",
    ),
    Metric(
        "deals_won", "count", "deals_by_channel", _WON, COUNT,
        ru="Сделки канала, закрытые в окне успешно.",
        en="Deals of the channel closed in the window as won.",
        label_ru="Продажи", label_en="Deals won",
        better="more",
    ),
    Metric(
        "deals_won_amount", "money", "deals_by_channel", _WON, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма продаж", label_en="Amount won",
        better="more",
    ),
    Metric(
        "deals_won_priced", "count", "deals_by_channel", _PRICED, COUNT,
        ru="Продажи канала с суммой.",
        en="Won deals of the channel that have a price.",
        label_ru="Продажи с суммой", label_en="Won with an amount",
    ),
    Metric(
        "deals_won_average", "money", "deals_by_channel", _PRICED, AVERAGE,
        ru="Средняя сумма продажи канала; продажи без суммы не входят.",
        en="Mean sum of the channel's won deals; deals without a price are left out.",
        label_ru="Средний чек", label_en="Average bill",
        better="more", denominator="deals_won_priced",
    ),
    Metric(
        "deals_lost", "count", "deals_by_channel", _LOST, COUNT,
        ru="Сделки канала, закрытые в окне без продажи.",
        en="Deals of the channel closed in the window as lost.",
        label_ru="Потерянные сделки", label_en="Deals lost",
        better="less",
    ),
    Metric(
        "deals_lost_amount", "money", "deals_by_channel", _LOST, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма потерянных сделок", label_en="Amount lost",
        better="less",
    ),
    Metric(
        "deals_open", "count", "deals_by_channel", _OPEN, COUNT,
        ru="Сделки канала, открытые на конец окна.",
        en="Deals of the channel open at the window's now.",
        label_ru="Сделки в работе на конец окна", label_en="Deals open at the end",
        short_ru="В работе", short_en="Open",
    ),
    Metric(
        "deals_open_amount", "money", "deals_by_channel", _OPEN, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма сделок в работе", label_en="Amount open",
        short_ru="Сумма в работе", short_en="Open, amount",
    ),
)  # fmt: skip
