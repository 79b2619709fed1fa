"""By what a number is split in ``marts.period_changes``, and which rows are of a part.

A condition on a row ``r`` of a row set (``row_sets.py``): the number counted from these rows alone is the part's. The parameter
``%(part)s`` is the part. ``tests/transforms/test_changes.py`` counts every part again.
"""

from __future__ import annotations

from dataclasses import replace

from synkro.metrics.metric import Metric
from synkro.metrics.registry import SUMMARY

#: in the order the page shows them
DIMENSIONS = ("manager", "manager_hours", "hours", "channel", "clients", "stage")

_ZONE = "(select c.timezone from synkro.tenant_runtime_configs c where c.tenant_id = %(tenant)s and c.is_current)"
_DIALOG_CHANNEL = (
    "(select d.channel from marts.dim_dialogs d where d.tenant_id = r.tenant_id and d.dialog_id = r.dialog_id)"
)
_CLIENT_CHANNEL = (
    "(select d.channel from marts.dim_dialogs d where d.tenant_id = r.tenant_id and d.client_id = r.client_id"
    ' order by d.first_message_at nulls last, d.dialog_id collate "C" limit 1)'
)
_BEGAN = (
    "(select k.first_message_at from marts.dim_clients k where k.tenant_id = r.tenant_id and k.client_id = r.client_id)"
)
_KIND = f"case when {_BEGAN} < %(start)s then 'returning' when {_BEGAN} < %(end)s then 'new' else '' end"
_OF_WINDOW = "p.tenant_id = %(tenant)s and p.window_start = %(start)s and p.window_end = %(end)s"
_DIALOG_ROW = f"from marts.period_dialogs p where {_OF_WINDOW} and p.dialog_id = r.dialog_id"
_CLIENT_MANAGER = (
    f"(select max(p.manager_id) from marts.period_dialogs p where {_OF_WINDOW} and p.client_id = r.client_id)"
)
_ANSWERER = "coalesce(case when r.is_answered then r.replied_by else r.responsible_at_open end, '')"
_MOVES = "from marts.fct_deal_stage_changes s where s.tenant_id = r.tenant_id and s.deal_id = r.deal_id"
_STAGE_BEFORE_END = (
    f"coalesce((select s.from_pipeline_id || ':' || s.from_status_id {_MOVES} and s.to_status_id in (142, 143)"
    " order by s.changed_at desc, s.event_id collate \"C\" desc limit 1), '')"
)
_STAGE_NOW = (
    f"coalesce((select s.to_pipeline_id || ':' || s.to_status_id {_MOVES} and s.changed_at <= r.now_at"
    ' order by s.changed_at desc, s.event_id collate "C" desc limit 1),'
    f" (select s.from_pipeline_id || ':' || s.from_status_id {_MOVES} and s.changed_at > r.now_at"
    ' order by s.changed_at, s.event_id collate "C" limit 1),'
    " (select f.pipeline_id || ':' || f.status_id from marts.fct_deals f where f.tenant_id = r.tenant_id and f.deal_id = r.deal_id), '')"
)


def _hours(moment: str) -> str:
    hour = f"extract(hour from {moment} at time zone {_ZONE})"
    return f"case when {hour} < 9 then '00-09' when {hour} < 13 then '09-13' when {hour} < 17 then '13-17' else '17-24' end"


_WAITS = {"channel": f"coalesce({_DIALOG_CHANNEL}, '')", "hours": _hours("r.opened_at"), "clients": _KIND}
_ANSWERS = {**_WAITS, "manager": _ANSWERER, "manager_hours": f"{_ANSWERER} || '/' || {_hours('r.opened_at')}"}
_OPEN = {**_WAITS, "manager": "coalesce(r.responsible_at_open, '')"}
_DIALOGS = {
    "manager": f"coalesce((select p.manager_id {_DIALOG_ROW}), '')", "channel": f"coalesce({_DIALOG_CHANNEL}, '')",
    "hours": _hours(f"(select p.first_message_at {_DIALOG_ROW})"), "clients": _KIND,
}  # fmt: skip
_NEW_CLIENTS = {
    "manager": f"coalesce({_CLIENT_MANAGER}, '')", "channel": f"coalesce({_CLIENT_CHANNEL}, '')", "hours": _hours("r.first_message_at"),
}  # fmt: skip
_DEALS = {"manager": "coalesce(r.responsible_id, '')", "channel": f"coalesce({_CLIENT_CHANNEL}, '')", "clients": _KIND}
_CLOSED = {**_DEALS, "stage": _STAGE_BEFORE_END}

#: number → dimension → the part a row of its row set is in
SPLIT: dict[str, dict[str, str]] = {
    "dialogs": _DIALOGS, "new_clients": _NEW_CLIENTS, "waits": _ANSWERS, "breached": _ANSWERS, "first_response_p50": _ANSWERS,
    "response_p50": _ANSWERS, "answered_within_target": _ANSWERS, "answered_within_5": _ANSWERS, "unanswered_now": _OPEN,
    "unanswered_overdue": _OPEN, "money_at_risk": {**_DEALS, "stage": _STAGE_NOW}, "deals_new": _DEALS, "deals_won": _CLOSED,
    "deals_won_amount": _CLOSED, "deals_lost": _CLOSED, "deals_lost_amount": _CLOSED,
}  # fmt: skip

#: sums of money → how many deals they are of
SUM_OF = {
    "money_at_risk": "deals_at_risk", "deals_won_amount": "deals_won", "deals_lost_amount": "deals_lost", "deals_new_amount": "deals_new",
}  # fmt: skip
#: how a change is told in Russian: of what, more, less
CHANGED_RU: dict[str, tuple[str, str, str]] = {
    "first_response_p50": ("Первый ответ", "медленнее", "быстрее"),
    "response_p50": ("Ответы", "медленнее", "быстрее"),
    "answered_within_target": ("Ответов в срок", "больше", "меньше"),
    "breached": ("Ответов и ожиданий дольше цели", "больше", "меньше"),
    "unanswered_now": ("Ждущих ответа {end}", "больше", "меньше"),
    "unanswered_overdue": ("Ждущих дольше цели {end}", "больше", "меньше"),
    "money_at_risk": ("Денег под риском {end}", "больше", "меньше"),
    "deals_won": ("Продаж", "больше", "меньше"),
    "deals_won_amount": ("Сумма продаж", "больше", "меньше"),
    "deals_lost": ("Потерянных сделок", "больше", "меньше"),
    "deals_lost_amount": ("Сумма потерянных сделок", "больше", "меньше"),
    "new_clients": ("Новых клиентов", "больше", "меньше"),
    "dialogs": ("Диалогов", "больше", "меньше"),
    "deals_new": ("Новых сделок", "больше", "меньше"),
}


def of_part(column: str, dimension: str) -> Metric | None:
    """The number of one part, ``%(part)s``; None where the number is not split so."""
    part = SPLIT.get(column, {}).get(dimension)
    metric = SUMMARY.get(column)
    return replace(metric, where=f"({metric.where}) and {part} = %(part)s") if metric and part else None
