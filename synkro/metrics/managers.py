"""Every column of ``marts.period_managers``: the same for one manager. An answer counts for its author, a question nobody
answered for the one responsible when it was asked."""

from __future__ import annotations

from synkro.metrics.metric import AMOUNT, AVERAGE, COUNT, P50, P90, WINDOW, WITHIN, Metric, the_one
from synkro.metrics.row_sets import CLOSED, OPEN_THEN, WROTE_IN

_MINE = "r.is_of_window and r.is_answered and r.replied_by = %(manager)s"
_TIMED = f"{_MINE} and not r.is_off_hours"
_FIRST = f"{_TIMED} and r.is_first_response"
_IGNORED = "r.is_of_window and not r.is_answered and r.is_breached and r.responsible_at_open = %(manager)s"
_JUDGED = f"(({_MINE}) or ({_IGNORED}))"
_OPEN = "r.is_open_now and r.responsible_at_open = %(manager)s"
_WON = f"r.stage_kind = 'won' and r.responsible_id = %(manager)s and {CLOSED}"
_LOST = f"r.stage_kind = 'lost' and r.responsible_id = %(manager)s and {CLOSED}"
_DEALS_OPEN = f"r.responsible_id = %(manager)s and {OPEN_THEN}"
_SENT = "r.kind = 'manager' and r.author_id = %(manager)s"

COLUMNS = (
    *WINDOW,
    Metric(
        "manager_id", "text", "managers", "true", the_one("manager_id"),
        ru="Сотрудник.",
        en="The manager.",
        label_ru="Сотрудник", label_en="Manager",
        tests=("refers_to: {arguments: {to: ref('dim_managers'), field: manager_id}}",),
    ),
    Metric(
        "waits_answered", "count", "waits", _MINE, COUNT,
        ru="Ожидания окна, на которые ответил этот сотрудник.",
        en="Waits of the window this manager answered.",
        label_ru="Ответы", label_en="Answers",
        answers=("waits",),
    ),
    Metric(
        "response_n", "count", "waits", _TIMED, COUNT,
        ru="Из скольких ответов посчитаны медиана и 90-й перцентиль.",
        en="How many answers the percentiles are of.",
        label_ru="Ответы в рабочее время", label_en="Answers in working time",
    ),
    Metric(
        "response_p50", "minutes", "waits", _TIMED, P50,
        ru="Медиана рабочих минут до ответа этого сотрудника.",
        en="Median working minutes to this manager's answers.",
        label_ru="Ответ (медиана)", label_en="Response, median",
        better="less", denominator="response_n", answers=("response_p50", "first_response_p50"),
    ),
    Metric(
        "response_p90", "minutes", "waits", _TIMED, P90,
        ru="Девять из десяти ответов сотрудника не дольше этого, в рабочих минутах.",
        en="Nine of ten answers took no longer, in working minutes.",
        label_ru="Ответ (90 % быстрее)", label_en="Response, 9 of 10",
        better="less", denominator="response_n",
    ),
    Metric(
        "first_response_n", "count", "waits", _FIRST, COUNT,
        ru="Первые ответы обращений среди них.",
        en="First answers of sessions among them.",
        label_ru="Первые ответы", label_en="First responses",
    ),
    Metric(
        "first_response_p50", "minutes", "waits", _FIRST, P50,
        ru="Медиана рабочих минут до первого ответа.",
        en="Median working minutes to the first answer.",
        label_ru="Первый ответ (медиана)", label_en="First response, median",
        better="less", denominator="first_response_n",
    ),
    Metric(
        "within_target", "share", "waits", _JUDGED, WITHIN,
        ru="Доля ответов в срок среди ответов сотрудника и просроченных без ответа вопросов, за которые он отвечал.",
        en="Share answered in time of the manager's answers and of the overdue questions they were responsible for.",
        label_ru="Ответы в срок", label_en="Answered in time",
        short_ru="В срок", short_en="In time",
        better="more", denominator="within_target_n", answers=("answered_within_target",),
    ),
    Metric(
        "within_target_n", "count", "waits", _JUDGED, COUNT,
        ru="Из скольких ожиданий посчитана доля.",
        en="How many waits the share is of.",
        label_ru="Ожидания в доле ответов в срок", label_en="Waits in the share in time",
    ),
    Metric(
        "breached", "count", "waits", f"{_JUDGED} and r.is_breached", COUNT,
        ru="Ответы позже срока и вопросы без ответа, срок которых прошёл.",
        en="Answers after the deadline, and unanswered questions past it.",
        label_ru="Ответы и ожидания дольше цели", label_en="Answers and waits beyond the target",
        short_ru="С опозданием", short_en="Late",
        better="less",
    ),
    Metric(
        "open_waits", "count", "waits", _OPEN, COUNT,
        ru="Кто ждал в конце окна, а отвечал за клиента этот сотрудник.",
        en="Who was waiting at the window's now, this manager being responsible.",
        label_ru="Без ответа на конец дня", label_en="Unanswered at the end of the day",
        better="less",
    ),
    Metric(
        "open_overdue", "count", "waits", f"{_OPEN} and r.is_past_deadline_now", COUNT,
        ru="Из них те, чей срок прошёл.",
        en="Of them those past their deadline.",
        label_ru="Без ответа дольше цели", label_en="Unanswered beyond the target",
        short_ru="Ждут дольше цели", short_en="Overdue now",
        better="less", answers=("unanswered_overdue", "unanswered_now"),
    ),
    Metric(
        "off_hours_answers", "count", "waits", f"{_MINE} and r.is_off_hours", COUNT,
        ru="Ответы вне рабочего времени.",
        en="Answers outside working time.",
        label_ru="Ответы вне рабочего времени", label_en="Off-hours answers",
    ),
    Metric(
        "messages_sent", "count", "messages", _SENT, COUNT,
        ru="Сообщения, которые написал сотрудник.",
        en="Messages the manager wrote.",
        label_ru="Сообщения", label_en="Messages",
        answers=("messages",),
    ),
    Metric(
        "dialogs", "count", "dialogs", WROTE_IN, COUNT,
        ru="Диалоги, в которых сотрудник писал.",
        en="Dialogs the manager wrote in.",
        label_ru="Диалоги", label_en="Dialogs",
    ),
    Metric(
        "deals_won", "count", "deals", _WON, COUNT,
        ru="Сделки сотрудника, закрытые в окне успешно.",
        en="The manager's deals closed in the window as won.",
        label_ru="Продажи", label_en="Deals won",
        better="more",
    ),
    Metric(
        "deals_won_amount", "money", "deals", _WON, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма продаж", label_en="Amount won",
        better="more",
    ),
    Metric(
        "deals_lost", "count", "deals", _LOST, COUNT,
        ru="Сделки сотрудника, закрытые в окне без продажи.",
        en="The manager's deals closed in the window as lost.",
        label_ru="Потерянные сделки", label_en="Deals lost",
        better="less",
    ),
    Metric(
        "deals_lost_amount", "money", "deals", _LOST, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма потерянных сделок", label_en="Amount lost",
        better="less",
    ),
    Metric(
        "deals_won_priced", "count", "deals", f"{_WON} and r.price > 0", COUNT,
        ru="Продажи сотрудника с суммой.",
        en="The manager's won deals that have a price.",
        label_ru="Продажи с суммой", label_en="Won with an amount",
    ),
    Metric(
        "deals_won_average", "money", "deals", f"{_WON} and r.price > 0", AVERAGE,
        ru="Средняя сумма продажи сотрудника; продажи без суммы не входят.",
        en="Mean sum of the manager's won deals; deals without a price are left out.",
        label_ru="Средний чек", label_en="Average bill",
        better="more", denominator="deals_won_priced",
    ),
    Metric(
        "deals_open", "count", "deals", _DEALS_OPEN, COUNT,
        ru="Сделки сотрудника, открытые на конец окна.",
        en="The manager's deals open at the window's now.",
        label_ru="Сделки в работе на конец окна", label_en="Deals open at the end",
        short_ru="В работе", short_en="Open",
    ),
    Metric(
        "deals_open_amount", "money", "deals", _DEALS_OPEN, AMOUNT,
        ru="Сумма этих сделок.",
        en="Their sum.",
        label_ru="Сумма сделок в работе", label_en="Amount open",
        short_ru="Сумма в работе", short_en="Open, amount",
    ),
)  # fmt: skip
