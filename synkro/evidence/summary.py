"""Every column of ``marts.period_summary``: definition, rows, aggregate. In the order the app lists them."""

from __future__ import annotations

from synkro.evidence.entry import AMOUNT, COUNT, P50, P90, WITHIN, Entry, of_window
from synkro.evidence.kinds import AT_RISK, CLOSED, CREATED, IN_PLAY, NEW_CLIENT, SPOKE

_OPENED = "r.is_of_window"
_ANSWERED = "r.is_of_window and r.is_answered"
_TIMED = f"{_ANSWERED} and not r.is_off_hours"
_FIRST = f"{_TIMED} and r.is_first_response"
_JUDGED = "r.is_of_window and (r.is_answered or r.is_breached)"
_NOW = "r.is_open_now"
_AGED = {
    "unanswered_lt15": "r.age_minutes < 15",
    "unanswered_15_60": "r.age_minutes >= 15 and r.age_minutes < 60",
    "unanswered_1_4h": "r.age_minutes >= 60 and r.age_minutes <= 240",
    "unanswered_gt4h": "r.age_minutes > 240 and r.age_minutes <= 1440",
    "unanswered_gt1d": "r.age_minutes > 1440",
}
_WON, _LOST = f"r.stage_kind = 'won' and {CLOSED}", f"r.stage_kind = 'lost' and {CLOSED}"
_MATCH_RATE = (
    "case when (select right(c.mode, 5) from synkro.tenant_runtime_configs c where c.tenant_id = %(tenant)s and c.is_current)"
    " <> '_only'"
    " then round(count(*) filter (where r.match_status = 'matched')::numeric / nullif(count(*), 0), 4) end"
)


def _messages(column: str, where: str, ru: str, en: str) -> Entry:
    return Entry(column, "count", "messages", where, COUNT, ru, en)


def _waits(column: str, where: str, ru: str, en: str) -> Entry:
    return Entry(column, "count", "waits", where, COUNT, ru, en)


def _minutes(column: str, where: str, value: str, ru: str, en: str) -> Entry:
    return Entry(column, "minutes", "waits", where, value, ru, en)


def _dialogs(column: str, status: str, ru: str, en: str) -> Entry:
    return Entry(column, "count", "dialogs", f"r.match_status = '{status}'", COUNT, ru, en)


def _deals(column: str, where: str, ru: str, en: str) -> Entry:
    return Entry(column, "count", "deals", where, COUNT, ru, en)


def _money(column: str, where: str, ru: str, en: str, value: str = AMOUNT) -> Entry:
    return Entry(column, "money", "deals", where, value, ru, en)


_ENTRIES = (
    of_window("tenant_id", "text", "Компания.", "The company."),
    of_window("window_start", "moment", "Начало окна, входит в него.", "Start of the window, inclusive."),
    of_window("window_end", "moment", "Конец окна, в него не входит.", "End of the window, exclusive."),
    of_window("report_type", "text", "Вид окна: день, неделя, месяц или запрошенный отрезок.", "Kind of window: daily, weekly, monthly or forced."),
    of_window("label_date", "text", "Рабочая дата, которой назван день.", "The business date the window is named by."),
    of_window("as_of", "moment", "Момент, до которого данные прочитаны полностью.", "The moment up to which the data has been read completely."),
    of_window("now_at", "moment", "Что значит «сейчас»: момент данных, но не позже конца окна.", "What \"now\" means: as_of, but never later than the window's end."),
    _messages("messages", "true", "Все сообщения окна: клиентов, менеджеров, роботов и служебные.", "All messages of the window, of any kind."),
    _messages("client_messages", "r.kind = 'client'", "Сообщения клиентов в окне.", "Messages of clients in the window."),
    _messages("manager_messages", "r.kind = 'manager'", "Сообщения менеджеров в окне: исходящие, кроме роботов.", "Messages of managers in the window: outgoing, bots left out."),
    _messages("bot_messages", "r.kind = 'bot'", "Сообщения роботов и рассылок в окне.", "Messages of bots and broadcasts in the window."),
    _waits("waits", _OPENED, "Ожидания, которые открылись в окне.", "Waits that opened in the window."),
    Entry("sessions", "count", "sessions", "true", COUNT, "Обращения, в которых есть сообщение окна.", "Sessions with a message in the window."),
    Entry("dialogs", "count", "dialogs", "true", COUNT, "Диалоги с сообщениями в окне.", "Dialogs with messages in the window."),
    Entry("excluded_dialogs", "count", "excluded", "true", COUNT, "Группы и исключённые номера с сообщениями в окне. В остальные числа не входят.", "Groups and excluded numbers with messages in the window. No other number counts them."),
    Entry("clients", "count", "clients", SPOKE, COUNT, "Клиенты, в диалогах которых есть сообщение окна.", "Clients with a message in the window."),
    _deals("deals", IN_PLAY, "Сделки в работе: открытые в окне у клиентов с перепиской, а также созданные, сдвинутые или закрытые в окне. Каждая один раз.", "Deals in play: open in the window with a client who spoke, and those created, moved or closed in it. Each once."),
    Entry("new_clients", "count", "clients", NEW_CLIENT, COUNT, "Клиенты, чьё первое в жизни сообщение попало в окно.", "Clients whose first message ever falls in the window."),
    _minutes("first_response_p50", _FIRST, P50, "Медиана рабочих минут от первого вопроса обращения, которое начал клиент, до ответа менеджера. Ответы вне рабочего времени не входят.", "Median working minutes from the first question of a session begun by the client to a manager's answer. Off-hours answers are left out."),
    _minutes("first_response_p90", _FIRST, P90, "Девять из десяти первых ответов не дольше этого, в рабочих минутах.", "Nine first answers of ten took no longer, in working minutes."),
    _waits("first_response_n", _FIRST, "Из скольких первых ответов посчитаны медиана и 90-й перцентиль.", "How many first answers the percentiles are of."),
    _minutes("response_p50", _TIMED, P50, "Медиана рабочих минут от вопроса до ответа по всем отвеченным ожиданиям окна. Ответы вне рабочего времени не входят.", "Median working minutes from question to answer, over all answered waits of the window. Off-hours answers are left out."),
    _minutes("response_p90", _TIMED, P90, "Девять из десяти ответов не дольше этого, в рабочих минутах.", "Nine answers of ten took no longer, in working minutes."),
    _waits("response_n", _TIMED, "Из скольких ответов посчитаны медиана и 90-й перцентиль.", "How many answers the percentiles are of."),
    _waits("waits_answered", _ANSWERED, "Ожидания окна, на которые ответили до момента данных.", "Waits of the window answered by as_of."),
    _waits("waits_unattributed", f"{_ANSWERED} and r.replied_by is null", "Из них те, чей автор ответа неизвестен.", "Of them those whose author nobody can name."),
    Entry("answered_within_target", "share", "waits", _JUDGED, WITHIN, "Доля отвеченных в срок среди отвеченных и просроченных без ответа. Ждущие, чей срок не вышел, не входят.", "Share answered within the target of all answered or overdue. Who still waits within the target is left out."),
    _waits("answered_within_target_n", _JUDGED, "Из скольких ожиданий посчитана доля ответов в срок.", "How many waits the share is of."),
    _waits("breached", f"{_OPENED} and r.is_breached", "Ожидания окна, где ответ или момент данных позже срока.", "Waits of the window whose answer, or as_of, came after the deadline."),
    _waits("off_hours_answers", f"{_ANSWERED} and r.is_off_hours", "Вопрос задан вне рабочего времени, и ответ пришёл, пока не прошло ни одной рабочей минуты.", "Asked outside working time and answered before a working minute had passed."),
    _waits("unanswered_now", _NOW, "Кто ждал ответа в конце окна или на момент данных, когда бы ни спросил (не старше 7 дней).", "Who was waiting at the window's now, whenever they asked (not longer than 7 days)."),
    _waits("unanswered_overdue", f"{_NOW} and r.is_past_deadline_now", "Из них те, чей срок ответа прошёл.", "Of them those past their deadline."),
    _waits("unanswered_lt15", f"{_NOW} and {_AGED['unanswered_lt15']}", "Ждали меньше 15 минут по часам.", "Waiting for less than 15 minutes by the clock."),
    _waits("unanswered_15_60", f"{_NOW} and {_AGED['unanswered_15_60']}", "Ждали от 15 минут до часа.", "Waiting from 15 minutes to an hour."),
    _waits("unanswered_1_4h", f"{_NOW} and {_AGED['unanswered_1_4h']}", "Ждали от часа до четырёх часов включительно.", "Waiting from one to four hours, inclusive."),
    _waits("unanswered_gt4h", f"{_NOW} and {_AGED['unanswered_gt4h']}", "Ждали больше четырёх часов, но не больше суток.", "Waiting for more than four hours, not more than a day."),
    _waits("unanswered_gt1d", f"{_NOW} and {_AGED['unanswered_gt1d']}", "Ждали больше суток.", "Waiting for more than a day."),
    _minutes("oldest_wait_minutes", _NOW, "max(r.age_minutes)", "Сколько минут по часам ждал тот, кто ждал дольше всех.", "Minutes by the clock of the one who waited longest."),
    Entry("match_rate", "share", "dialogs", "true", _MATCH_RATE, "Доля диалогов окна, у клиента которых есть хотя бы одна сделка. Без amoCRM не считается.", "Share of the window's dialogs whose client has at least one deal. Not counted without amoCRM."),
    _dialogs("dialogs_matched", "matched", "Диалоги, у клиента которых есть сделка.", "Dialogs whose client has a deal."),
    _dialogs("dialogs_no_phone", "no_phone", "Диалоги без телефона: связать не с чем.", "Dialogs without a phone: nothing to match by."),
    _dialogs("dialogs_no_contact", "no_contact", "Диалоги, телефона которых нет в контактах amoCRM.", "Dialogs whose phone is in no contact of amoCRM."),
    _dialogs("dialogs_contact_without_deal", "contact_without_deal", "Диалоги, контакт которых есть, а сделки нет.", "Dialogs with a contact, but no deal."),
    _messages("authors_by_event", "r.kind = 'manager' and r.author_source = 'event'", "Сообщения менеджеров, автора которых назвало событие amoCRM.", "Managers' messages whose author an amoCRM event names."),
    _messages("authors_by_deal", "r.kind = 'manager' and r.author_source = 'deal'", "Сообщения менеджеров, автором которых считаем ответственного за сделку.", "Managers' messages given to the deal's responsible."),
    _messages("authors_unknown", "r.kind = 'manager' and r.author_source = 'none'", "Сообщения менеджеров, автор которых неизвестен.", "Managers' messages whose author is unknown."),
    _money("money_at_risk", AT_RISK, "Сумма открытых сделок клиентов, которые ждали ответа дольше цели.", "Sum of open deals of clients who waited longer than the target.", "coalesce(sum(r.price) filter (where r.price > 0), 0)"),
    _deals("deals_at_risk", AT_RISK, "Открытые сделки клиентов, которые ждали ответа дольше цели.", "Open deals of clients who waited longer than the target."),
    _deals("money_at_risk_unpriced", f"{AT_RISK} and coalesce(r.price, 0) <= 0", "Из них сделки без суммы.", "Of them those without a price."),
    _deals("deals_new", CREATED, "Сделки, созданные в окне.", "Deals created in the window."),
    _money("deals_new_amount", CREATED, "Сумма сделок, созданных в окне.", "Sum of the deals created in the window."),
    _deals("deals_won", _WON, "Сделки, закрытые в окне успешно (статус 142).", "Deals closed in the window as won (status 142)."),
    _money("deals_won_amount", _WON, "Сумма сделок, закрытых в окне успешно.", "Sum of the deals closed in the window as won."),
    _deals("deals_lost", _LOST, "Сделки, закрытые в окне без продажи (статус 143).", "Deals closed in the window as lost (status 143)."),
    _money("deals_lost_amount", _LOST, "Сумма сделок, закрытых в окне без продажи.", "Sum of the deals closed in the window as lost."),
    of_window("is_complete", "flag", "Все источники прочитаны без ошибок и не раньше конца окна.", "Every source was read without an error, and not before the window's end."),
)  # fmt: skip

SUMMARY: dict[str, Entry] = {entry.column: entry for entry in _ENTRIES}
