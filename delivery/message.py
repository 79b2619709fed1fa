"""The report as one Telegram message: pure text building.

In flows the report's body (one structure, made by the analysis; every number in it was put there by code); out
comes the message twice, as Telegram's HTML and as plain text, with its buttons. Needs no database and no network.

Promises: 900–1,600 visible characters on an ordinary day, fewer when there is less to say, never more: what
matters least goes first and nothing is cut inside a word; one message always (4,096 UTF-16 units at most); every
value escaped; phones with four digits at most; no exclamation marks, in clients' words neither: how they were
written stands on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from delivery import case_buttons
from delivery.links import dialog_page, is_public, waits_page
from delivery.telegram.markup import clip, escape, visible_length, visible_text
from synkro.connectors import deal_pages
from synkro.core import russian
from synkro.reporting.body import Action, Body, Header, Incomplete, Number, Revision

__all__ = ["Button", "Message", "repeat_mark", "telegram_message", "visible_length"]

#: visible characters of a message: what fits two screens of a phone
LONGEST = 1600

_WHOM = (
    "обычного понедельника", "обычного вторника", "обычной среды", "обычного четверга",
    "обычной пятницы", "обычной субботы", "обычного воскресенья",
)  # fmt: skip
_MONTHS = (
    "январь", "февраль", "март", "апрель", "май", "июнь",
    "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь",
)  # fmt: skip
_DO = {"daily": "Сделать сегодня", "weekly": "Сделать на этой неделе", "monthly": "Сделать в этом месяце"}
_ARROWS = {"up": " ↑", "down": " ↓"}

#: one of a row of buttons: {"text", "url"} or {"text", "callback_data"}
Button = dict[str, str]


@dataclass(frozen=True)
class Message:
    """One message in both spellings. ``buttons``: rows of links (none when the site is not public) and of marks for its cases."""

    text_html: str
    plain_text: str
    buttons: list[list[Button]]


@dataclass(frozen=True)
class _Plan:
    """How much is said. A tighter plan drops what matters least."""

    risks: int = 2
    managers: int = 3
    notes: bool = True
    whys: int = 3
    #: actions with the client's own line
    quotes: int = 3
    #: sentences of why a number changed
    reasons: int = 2
    #: characters of one value
    value: int = 400


#: in this order until the message fits
_PLANS = (
    _Plan(),
    _Plan(risks=1),
    _Plan(risks=1, managers=2),
    _Plan(risks=1, managers=2, quotes=2),
    _Plan(risks=1, managers=2, quotes=2, reasons=1),
    _Plan(risks=1, managers=2, quotes=1, reasons=1, notes=False),
    *(_Plan(risks=1, managers=2, quotes=min(whys, 1), reasons=1, notes=False, whys=whys) for whys in (2, 1, 0)),
    *(_Plan(1, 2, False, 0, 0, 0, value) for value in (240, 160, 120, 90, 60, 40)),
    *(_Plan(0, 0, False, 0, 0, 0, value) for value in (40, 25, 15)),
)


def telegram_message(body: Body, *, report_url: str, repeat: bool = False, live_line: str = "") -> Message:
    """The message about one report.

    ``live_line``: who waits now; it stands in for the sentence about who waited at the window's end.

    ``report_url``: the report's page; empty for a text without links (what is shown on the page itself).
    A local address makes no buttons, Telegram refuses them: it stands at the end as plain text.
    ``repeat``: marks a copy of a message that may have arrived already.
    """
    public = is_public(report_url)
    mark = repeat_mark(report_url.rstrip("/").rpartition("/")[2]) + "\n\n" if repeat else ""
    link = f"\n\nОтчёт: {escape(report_url)}" if report_url and not public else ""
    text = plain = ""
    for plan in _PLANS:
        text = mark + "\n\n".join(_sections(body, plan, report_url if public else "", live_line)) + link
        plain = visible_text(text)
        if len(plain) <= LONGEST:
            break
    knows_waits = body.mode is None or body.mode.has_dialogs
    links = _buttons(report_url, knows_waits) if public else []
    marks = case_buttons.rows(body.actions) if report_url and not (body.quiet or body.too_little_data) else []
    return Message(text, plain, [*links, *marks])


def short_message(body: Body, *, report_url: str) -> Message:
    """The message about a day that comes together with a later one: what happened and the numbers, nothing to do."""
    public = is_public(report_url)
    plan, header = _Plan(notes=False), body.header
    lines = [_title(header, plan), " ".join(_prose(sentence.text, plan) for sentence in body.headline[:2])]
    lines += [_number(number, plan) for number in body.numbers[:5]] if not body.quiet else []
    text = "\n".join(line for line in [*lines, _incomplete(body.incomplete, header, plan)] if line)
    text += f"\n\nОтчёт: {escape(report_url)}" if report_url and not public else ""
    return Message(text, visible_text(text), [_buttons(report_url, False)[0]] if public else [])


def repeat_mark(report_id: object) -> str:
    """The line above a copy: it names the report, so that two copies are seen to be one."""
    return f"<i>Повтор: отчёт {escape(str(report_id)[:8])} мог прийти раньше.</i>"


def _buttons(report_url: str, knows_waits: bool) -> list[list[Button]]:
    waits = [{"text": "Кто ждёт ответа", "url": waits_page(report_url)}] if knows_waits else []
    return [[{"text": "Открыть отчёт", "url": report_url}, *waits]]


def _sections(body: Body, plan: _Plan, public_url: str, live_line: str) -> Iterator[str]:
    header = body.header
    told = [sentence for sentence in body.headline[:2] if not live_line or sentence.about != "waits"]
    headline = [_prose(sentence.text, plan) for sentence in told]
    headline = [text for text in headline if text]
    incomplete = _incomplete(body.incomplete, header, plan)
    if body.quiet:
        yield "\n".join(
            line
            for line in (
                _title(header, plan),
                headline[0] if headline else "Спокойный день: срочных дел нет.",
                _prose(body.mode.note, plan) if body.mode else "",
                _prose(live_line, plan),
                incomplete,
            )
            if line
        )
        return
    is_thin = body.too_little_data
    yield "\n".join(line for line in _head(body, header, plan, incomplete) if line)
    if live_line:
        yield f"<b>{_prose(live_line, plan)}</b>"
    if not headline and is_thin:
        headline = ["Диалогов слишком мало для выводов, ниже только цифры."]
    if headline:
        yield "<b>Главное</b>\n" + " ".join(headline)
    # what the headline says already is not said twice
    said = {sentence.text for sentence in body.headline[:2]}
    if reasons := [change.text for change in body.changes if change.text not in said][: plan.reasons]:
        yield "<b>Почему</b>\n" + " ".join(_prose(text, plan) for text in reasons)
    if (advice := body.advice) and not is_thin:
        yield _prose(advice.text, plan)
    if (actions := body.actions) and not is_thin:
        yield f"<b>{_DO.get(header.report_type, 'Сделать')}</b>\n" + "\n".join(
            _action(number, action, plan, public_url, header.deal_page) for number, action in enumerate(actions[:3], 1)
        )
    if numbers := body.numbers:
        yield "\n".join([_numbers_title(numbers, header), *(_number(n, plan) for n in numbers[:5])])
    if is_thin:
        return
    for part in body.mode.sections if body.mode else ():
        yield f"<b>{_value(part.title, plan)}</b>\n" + "\n".join(f"• {_prose(line, plan)}" for line in part.lines)
    if managers := body.managers[: plan.managers]:
        yield "<b>Менеджеры</b>\n" + "\n".join(
            f"• <b>{_value(manager.name, plan)}</b>: {_prose(manager.text, plan)}" for manager in managers
        )
    if risks := body.risks[: plan.risks]:
        yield "<b>Риски</b>\n" + "\n".join(f"• {_prose(risk.text, plan)}" for risk in risks)


# --- header -------------------------------------------------------------------------------------------------


def _head(body: Body, header: Header, plan: _Plan, incomplete: str) -> Iterator[str]:
    yield _title(header, plan)
    as_of = _moment(header.as_of, header)
    facts = [_prose(body.coverage_line, plan).rstrip("."), f"данные на {as_of}" if as_of else ""]
    if revision := body.revision:
        yield _revision(revision, plan)
    told = " · ".join(fact for fact in facts if fact)
    yield told[:1].upper() + told[1:]
    yield _prose(header.reader.note, plan)
    if body.mode:
        yield _prose(body.mode.note, plan)
    yield incomplete


def _title(header: Header, plan: _Plan) -> str:
    title = _period(header)
    company = _value(header.company, plan)
    return f"<b>{company}</b> · {title}" if company else f"<b>{title}</b>"


def _revision(revision: Revision, plan: _Plan) -> str:
    """What this version has that the one sent before had not."""
    gained = _prose(revision.gained, plan).rstrip(".")
    return "<b>Уточнённый отчёт</b>" + (f": добавлено — {gained}" if gained else "")


def _period(header: Header) -> str:
    day, kind = _date(header.date), header.report_type
    first = _date(header.period_start) or day
    last = _date(header.period_end) or day
    if day is None or first is None or last is None:
        return "Отчёт"
    if kind == "monthly":
        return f"Отчёт за {_MONTHS[first.month - 1]} {first.year}"
    if kind == "weekly":
        # a week's row is dated by its last business day
        return f"Отчёт за неделю {russian.period(first if first < last else last - timedelta(days=6), last)}"
    name = "Отчёт по запросу за" if kind == "forced" else "Отчёт за"
    return f"{name} {russian.period(first, last) if first < last else russian.day(day, weekday=True)}"


def _incomplete(cause: Incomplete | None, header: Header, plan: _Plan) -> str:
    if not cause:
        return ""
    parts = [f"<b>Данные неполные:</b> {_prose(cause.cause or 'причина не названа', plan).rstrip('.')}."]
    if until := _moment(cause.until, header):
        parts.append(f"Полные до {until}.")
    if again := _moment(cause.next_attempt, header):
        parts.append(f"Следующая попытка: {again}.")
    return " ".join(parts)


# --- lines --------------------------------------------------------------------------------------------------


def _action(number: int, action: Action, plan: _Plan, public_url: str, deal_page: str) -> str:
    who, text = _value(action.who, plan), _prose(action.text, plan)
    why = _prose(action.why, plan).rstrip(".") if number <= plan.whys else ""
    if action.case_id:
        # the text names the client
        first = f"{number}. <b>{text}</b>"
        details = [
            f"Отвечает {who}" if action.manager_id else who,
            _phone(action.phone_masked),
            why,
            _value(action.money_display, plan),
        ]
    else:
        first = f"{number}. " + ": ".join(part for part in (f"<b>{who}</b>" if who else "", text) if part)
        client = " ".join(part for part in (_value(action.client, plan), _phone(action.phone_masked)) if part)
        details = [client, why, _value(action.money_display, plan)]
    if public_url and action.dialog_id:
        details.append(f'<a href="{escape(dialog_page(public_url, action.dialog_id))}">диалог</a>')
    if deal := deal_pages.address(deal_page, action.deal_id):
        details.append(f'<a href="{escape(deal)}">сделка</a>')
    quote = f"«{_prose(action.quote, plan)}»" if action.quote and number <= plan.quotes else ""
    return "\n".join(line for line in (first, quote, " · ".join(part for part in details if part)) if line)


def _phone(masked: object) -> str:
    """The phone as the analysis masked it; more than four digits are never let through."""
    text = str(masked or "")
    digits = re.sub(r"\D", "", text)
    return escape(text if len(digits) <= 4 else f"•••• {digits[-4:]}")


def _numbers_title(numbers: Sequence[Number], header: Header) -> str:
    day = _date(header.date)
    if day is None or not any(number.usual_display for number in numbers):
        return "<b>Цифры</b>"
    whom = {"weekly": "обычной недели", "monthly": "обычного месяца"}.get(header.report_type, _WHOM[day.weekday()])
    # all usuals of a report are told of the same windows
    of = next((number.usual_of for number in numbers if number.usual_of), "")
    return f"<b>Цифры</b> против {whom}" + (f" ({escape(of)})" if of else "")


def _number(number: Number, plan: _Plan) -> str:
    usual = _value(number.usual_display, plan)
    arrow = _ARROWS.get(number.direction or "", "") if usual else ""
    note = _prose(number.note, plan).rstrip(".") if plan.notes else ""
    text = f"• {_value(number.label, plan)}: <b>{_value(number.display, plan)}</b>{arrow}"
    text += f" ({note})" if note else ""
    if usual:
        return f"{text}, обычно {usual}"
    before = _value(number.previous_display, plan)
    return text + (f", {_value(number.previous_of, plan)} {before}" if before else "")


# --- values -------------------------------------------------------------------------------------------------


def _value(raw: object, plan: _Plan) -> str:
    """A name or a number as it stands, escaped. No-break spaces survive: they hold a number and its unit."""
    text = str(raw if raw is not None else "").strip()
    return escape(text if len(text) <= plan.value and "\n" not in text else clip(text, plan.value))


def _prose(raw: object, plan: _Plan) -> str:
    """A sentence, escaped and calm: no exclamation marks."""
    text = str(raw if raw is not None else "")
    text = re.sub(r"\?!+|!+\?", "?", text)
    text = re.sub(r"!+(?=\s*[.…?])", "", text)
    return _value(re.sub(r"!+", ".", text), plan)


def _date(raw: object) -> date | None:
    if isinstance(raw, datetime):
        return raw.date()
    if isinstance(raw, date):
        return raw
    try:
        return date.fromisoformat(str(raw)[:10])
    except ValueError:
        return None


def _moment(raw: object, header: Header) -> str:
    """«22:05» on the report's day, «21 ноября, 09:05» on another; a text that is no time stands as it is."""
    if not raw:
        return ""
    try:
        moment = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw).replace("Z", "+00:00"))
    except ValueError:
        return escape(clip(str(raw), 60))
    zone = header.timezone
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(zone) if zone else UTC)
    local = moment.astimezone(ZoneInfo(zone)) if zone else moment
    return f"{local:%H:%M}" if local.date() == _date(header.date) else f"{russian.day(local.date())}, {local:%H:%M}"
