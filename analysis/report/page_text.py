"""The report as plain text for the web page, the archive and the command line; built from the body alone."""

from __future__ import annotations

from datetime import date, datetime

from synkro.core import russian
from synkro.metrics.metric import SMALL_N
from synkro.metrics.registry import SUMMARY
from synkro.reporting.body import (
    Action,
    Body,
    ChannelSales,
    Incomplete,
    Number,
    Promise,
    Quality,
    Sale,
    StageMoves,
    Uncovered,
)

_TODAY = {"daily": "Сделать сегодня", "weekly": "Сделать на этой неделе", "monthly": "Сделать в этом месяце"}
_SHOWN = {
    "actions": 10,
    "numbers": 12,
    "managers": 15,
    "topics": 6,
    "objections": 6,
    "promises": 10,
    "lost": 6,
    "stages": 12,
}


def build(body: Body, timezone: str) -> str:
    """Sections in the order of the product; empty ones are left out."""
    header = body.header
    parts = [_header(body, timezone)]
    if body.incomplete:
        parts.append(incomplete_line(body.incomplete, timezone))
    parts.append(" ".join(sentence.text for sentence in body.headline))
    if not (body.quiet or body.too_little_data):
        lines = [action_line(row) for row in body.actions[: _SHOWN["actions"]]]
        parts.append(_section(_TODAY.get(header.report_type, "Сделать"), lines, numbered=True))
    if not body.quiet:
        parts.append(_section("Почему изменилось", [row.text for row in body.changes]))
        shown = [row for n, row in enumerate(body.numbers) if n < 5 or row.value or row.usual]
        parts.append(_section("Цифры", [number_line(row) for row in shown[: _SHOWN["numbers"]]]))
    if not (body.quiet or body.too_little_data):
        parts += [
            _section("Менеджеры", [f"{m.name}: {m.text}" for m in body.managers[: _SHOWN["managers"]]]),
            _section("Продажи по менеджерам", [sale_line(row, header.currency) for row in body.sales or ()]),
            _section("Продажи по каналам", [channel_line(row, header.currency) for row in body.channels]),
            _section("Движение сделок", [stage_line(row) for row in body.stages[: _SHOWN["stages"]]]),
            _section("Риски", [row.text for row in body.risks]),
            _section("О чём спрашивают", [f"{t.topic}: {t.count}" for t in body.topics[: _SHOWN["topics"]]]),
            _uncovered(body.uncovered),
            _section("Возражения", [f"{o.topic}: {o.count}" for o in body.objections[: _SHOWN["objections"]]]),
            _section("Обещания", [promise_line(row) for row in body.promises[: _SHOWN["promises"]]]),
            _section("Качество ответов", quality_lines(body.quality)),
            _section("Почему теряем", [f"{r.reason}: {r.count}" for r in body.lost_reasons[: _SHOWN["lost"]]]),
        ]
    if header.reader.note:
        parts.append(header.reader.note)
    return "\n\n".join(part for part in parts if part)


def uncovered_title(uncovered: Uncovered) -> str:
    return f"Вопросы без темы: {uncovered.count}"


def _uncovered(uncovered: Uncovered | None) -> str:
    """How many, and what they share: «эвакуатор: 3»."""
    if not uncovered:
        return ""
    shared = [f"{', '.join(group.words)}: {group.count}" for group in uncovered.groups if group.words]
    return _section(uncovered_title(uncovered), shared[: _SHOWN["topics"]] or ["общих слов у них нет"])


def _header(body: Body, timezone: str) -> str:
    header = body.header
    lines = [f"{header.company}, {header.date_display}"]
    if body.coverage_line:
        lines.append(body.coverage_line)
    if header.as_of:
        lines.append(f"Данные на {russian.moment(datetime.fromisoformat(header.as_of), timezone)}")
    return "\n".join(lines)


def incomplete_line(gap: Incomplete, timezone: str) -> str:
    """«Данные неполные: …. Полные до …. Следующая попытка …»"""
    text = f"Данные неполные: {gap.cause}."
    if gap.until:
        text += f" Полные до {russian.moment(datetime.fromisoformat(gap.until), timezone)}."
    return text + f" Следующая попытка: {_when(gap.next_attempt or '', timezone)}."


def _when(value: str, timezone: str) -> str:
    try:
        return russian.moment(datetime.fromisoformat(value), timezone)
    except ValueError:
        return value.rstrip(".")


def action_line(row: Action) -> str:
    """«Ответьте на «…» — Айгерим, •••• 0001; ждёт 3 ч; 450 000 ₸; отвечает Асель»."""
    who = ", ".join(part for part in (row.client, row.phone_masked) if part)
    tail = [row.why, row.money_display, f"отвечает {row.who}" if row.manager_id else row.who.lower()]
    return f"{row.text} — {who}; " + "; ".join(part for part in tail if part)


def number_line(row: Number) -> str:
    """«Первый ответ (медиана): 12 мин, обычно 8 мин»."""
    text = f"{row.label}: {row.display}"
    if row.note:
        text += f" ({row.note})"
    if row.usual_display:
        text += f", обычно {row.usual_display}" + (f" ({row.usual_of})" if row.usual_of else "")
    return text + (f", {row.previous_of} {row.previous_display}" if row.previous_display else "")


def quality_lines(quality: Quality | None) -> list[str]:
    """«Вежливость (вес 3): 92 %, диалогов 25», the whole first."""
    if quality is None:
        return []
    scored = russian.count(quality.dialogs, "диалог", "диалога", "диалогов")
    whole = f"По рубрике: {quality.display}, " + (
        scored if quality.scored < quality.of_criteria else f"оценено {scored}"
    )
    return (
        [whole]
        + [
            f"{row.name} (вес {row.weight}): {row.display}, диалогов {russian.number(row.n)}"
            for row in quality.criteria
        ]
        + [f"{row.name}: {row.display}, диалогов {russian.number(row.n)}" for row in quality.managers]
    )


def sale_line(row: Sale, currency: str | None) -> str:
    """«Асель: 2 продажи на 870 000 ₸, средний чек 435 000 ₸, потеряно 1, в работе 14 на 5 200 000 ₸»."""
    return f"{row.name}: {_sums(row, currency)}"


def channel_line(row: ChannelSales, currency: str | None) -> str:
    return f"{row.channel or 'без переписки'}: {_sums(row, currency)}"


def _sums(row: Sale | ChannelSales, currency: str | None) -> str:
    parts = []
    if row.won:
        text = russian.count(row.won, "продажа", "продажи", "продаж")
        parts.append(text + (f" на {russian.money(row.amount, currency)}" if row.amount else ""))
    if row.average and row.won > 1:
        parts.append(f"{SUMMARY['deals_won_average'].label_ru.lower()} {russian.money(row.average, currency)}")
    if row.lost:
        text = f"потеряно {russian.number(row.lost)}"
        parts.append(text + (f" на {russian.money(row.lost_amount, currency)}" if row.lost_amount else ""))
    if row.open:
        text = f"{SUMMARY['deals_open'].short_ru.lower()} {russian.number(row.open)}"
        parts.append(text + (f" на {russian.money(row.open_amount, currency)}" if row.open_amount else ""))
    return ", ".join(parts) or "новых сделок " + russian.number(getattr(row, "new", 0))


def stage_line(row: StageMoves) -> str:
    """«Счёт: вошли 12, вышли 9; из вошедших продано 25 %»; a share of fewer than ten deals is not told."""
    text = f"{row.stage}: вошли {russian.number(row.entered)}, вышли {russian.number(row.left)}"
    if row.cohort >= SMALL_N and not row.is_end:
        text += f"; из вошедших продано {russian.percent(row.won / row.cohort)}"
    return text


def promise_line(row: Promise) -> str:
    return f"{row.who} → {row.client}: «{row.text}», {row.deadline_display}"


def _section(title: str, lines: list[str], *, numbered: bool = False) -> str:
    if not lines:
        return ""
    marks = [f"{n}. " if numbered else "• " for n in range(1, len(lines) + 1)]
    return "\n".join([title, *(mark + line for mark, line in zip(marks, lines, strict=True))])


def period(first: date, last: date) -> str:
    """«20 ноября, пятница», or «14–20 ноября» for more than a day."""
    return russian.day(last, weekday=True) if first == last else russian.period(first, last)
