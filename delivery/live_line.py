"""The line that says who waits now, beside who waited at the end of the report's window: pure text building."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from synkro.core import russian
from synkro.metrics.live import Live

#: data older than this is not called «now»
FRESH = timedelta(minutes=20)
_DAY = timedelta(days=1)


def text_of(
    live: Live,
    *,
    sent_at: datetime,
    at_end: int | None,
    ended_at: datetime,
    timezone: str,
    currency: str | None = None,
    problem: str = "",
) -> str:
    """«Сейчас ждут 30 (на 22:01 ждали 36), дольше цели 28, под риском 4 200 000 ₸.»

    ``at_end``: how many waited at the window's end, None when it is not known. ``problem``: why the data is older than the
    message, said with the moment it is of.
    """
    is_fresh = not problem and sent_at - live.as_of <= FRESH
    lead = "Сейчас" if is_fresh else f"По данным на {_moment(live.as_of, sent_at, timezone)}"
    aside = [problem.rstrip(".")] if problem else []
    if at_end is not None and at_end != live.unanswered:
        verb = russian.plural(at_end, "ждал", "ждали", "ждали")
        aside.append(f"на {_moment(ended_at, sent_at, timezone)} {verb} {russian.number(at_end)}")
    note = f" ({'; '.join(aside)})" if aside else ""
    if not live.unanswered:
        return f"{lead} никто не ждёт ответа{note}."
    verb = russian.plural(live.unanswered, "ждёт", "ждут", "ждут")
    parts = [f"{lead} {verb} {russian.number(live.unanswered)}{note}"]
    if live.overdue:
        is_all = live.overdue == live.unanswered > 1
        parts.append("все дольше цели" if is_all else f"дольше цели {russian.number(live.overdue)}")
    if live.money_at_risk:
        parts.append(f"под риском {russian.money(live.money_at_risk, currency)}")
    return ", ".join(parts) + "."


def _moment(moment: datetime, sent_at: datetime, timezone: str) -> str:
    """«22:01» of this day and of the evening before; with its date before that."""
    where = ZoneInfo(timezone)
    is_recent = sent_at - moment < _DAY
    return russian.clock(moment, timezone) if is_recent else russian.moment(moment.astimezone(where), timezone)
