"""Every column of ``marts.period_managers``: the same for one manager. An answer counts for its author, a question nobody
answered for the one responsible when it was asked."""

from __future__ import annotations

from synkro.evidence.entry import AMOUNT, COUNT, P50, P90, WITHIN, Entry, of_window, the_one
from synkro.evidence.kinds import CLOSED, WROTE_IN

_MINE = "r.is_of_window and r.is_answered and r.replied_by = %(manager)s"
_TIMED = f"{_MINE} and not r.is_off_hours"
_FIRST = f"{_TIMED} and r.is_first_response"
_IGNORED = "r.is_of_window and not r.is_answered and r.is_breached and r.responsible_at_open = %(manager)s"
_JUDGED = f"(({_MINE}) or ({_IGNORED}))"
_OPEN = "r.is_open_now and r.responsible_at_open = %(manager)s"
_WON = f"r.stage_kind = 'won' and r.responsible_id = %(manager)s and {CLOSED}"
_LOST = f"r.stage_kind = 'lost' and r.responsible_id = %(manager)s and {CLOSED}"
_SENT = "r.kind = 'manager' and r.author_id = %(manager)s"

_ENTRIES = (
    of_window("tenant_id", "text", "Компания.", "The company."),
    of_window("window_start", "moment", "Начало окна, входит в него.", "Start of the window, inclusive."),
    of_window("window_end", "moment", "Конец окна, в него не входит.", "End of the window, exclusive."),
    Entry("manager_id", "text", "managers", "true", the_one("manager_id"), "Сотрудник.", "The manager."),
    Entry("waits_answered", "count", "waits", _MINE, COUNT, "Ожидания окна, на которые ответил этот сотрудник.", "Waits of the window this manager answered."),
    Entry("response_n", "count", "waits", _TIMED, COUNT, "Из скольких ответов посчитаны медиана и 90-й перцентиль.", "How many answers the percentiles are of."),
    Entry("response_p50", "minutes", "waits", _TIMED, P50, "Медиана рабочих минут до ответа этого сотрудника.", "Median working minutes to this manager's answers."),
    Entry("response_p90", "minutes", "waits", _TIMED, P90, "Девять из десяти ответов сотрудника не дольше этого, в рабочих минутах.", "Nine of ten answers took no longer, in working minutes."),
    Entry("first_response_n", "count", "waits", _FIRST, COUNT, "Первые ответы обращений среди них.", "First answers of sessions among them."),
    Entry("first_response_p50", "minutes", "waits", _FIRST, P50, "Медиана рабочих минут до первого ответа.", "Median working minutes to the first answer."),
    Entry("within_target", "share", "waits", _JUDGED, WITHIN, "Доля ответов в срок среди ответов сотрудника и просроченных без ответа вопросов, за которые он отвечал.", "Share answered in time of the manager's answers and of the overdue questions they were responsible for."),
    Entry("within_target_n", "count", "waits", _JUDGED, COUNT, "Из скольких ожиданий посчитана доля.", "How many waits the share is of."),
    Entry("breached", "count", "waits", f"{_JUDGED} and r.is_breached", COUNT, "Ответы позже срока и вопросы без ответа, срок которых прошёл.", "Answers after the deadline, and unanswered questions past it."),
    Entry("open_waits", "count", "waits", _OPEN, COUNT, "Кто ждал в конце окна, а отвечал за клиента этот сотрудник.", "Who was waiting at the window's now, this manager being responsible."),
    Entry("open_overdue", "count", "waits", f"{_OPEN} and r.is_past_deadline_now", COUNT, "Из них те, чей срок прошёл.", "Of them those past their deadline."),
    Entry("off_hours_answers", "count", "waits", f"{_MINE} and r.is_off_hours", COUNT, "Ответы вне рабочего времени.", "Answers outside working time."),
    Entry("messages_sent", "count", "messages", _SENT, COUNT, "Сообщения, которые написал сотрудник.", "Messages the manager wrote."),
    Entry("dialogs", "count", "dialogs", WROTE_IN, COUNT, "Диалоги, в которых сотрудник писал.", "Dialogs the manager wrote in."),
    Entry("deals_won", "count", "deals", _WON, COUNT, "Сделки сотрудника, закрытые в окне успешно.", "The manager's deals closed in the window as won."),
    Entry("deals_won_amount", "money", "deals", _WON, AMOUNT, "Сумма этих сделок.", "Their sum."),
    Entry("deals_lost", "count", "deals", _LOST, COUNT, "Сделки сотрудника, закрытые в окне без продажи.", "The manager's deals closed in the window as lost."),
)  # fmt: skip

MANAGERS: dict[str, Entry] = {entry.column: entry for entry in _ENTRIES}
