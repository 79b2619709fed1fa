"""A person's open sessions, each with a button that ends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app import formatting, middleware
from app.components.base.html import badge, button, span, table
from app.texts import t
from synkro.accounts.sessions import OpenSession
from synkro.core import clock

#: part of a browser's own description → its name; the first that fits
_BROWSERS = (
    ("YaBrowser", "Yandex"), ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def browser_name(user_agent: str) -> str:
    """«Chrome, Windows»; what is not known is shown as it is, cut."""
    parts = [next((name for mark, name in known if mark in user_agent), "") for known in (_BROWSERS, _SYSTEMS)]
    return ", ".join(part for part in parts if part) or user_agent[:60] or t("sessions.unknown")


def session_table(
    found: Sequence[OpenSession], zone: str, end: Callable[[OpenSession], Awaitable[None]], *, mark: str
) -> None:
    if not found:
        span("muted pad", t("sessions.none"))
        return
    table(
        [(t("sessions.browser"), "lead"), (t("audit.ip"), ""), (t("sessions.since"), "nowrap"), (t("sessions.seen"), ""), ("", "")],
        [_row(number, one, zone, end) for number, one in enumerate(found)],
        mark=mark,
    )  # fmt: skip


def _row(number: int, one: OpenSession, zone: str, end: Callable[[OpenSession], Awaitable[None]]) -> tuple[Any, ...]:
    def name() -> None:
        span("strong wrap", browser_name(one.user_agent))
        if one.is_current:
            badge(t("sessions.current"), "good")

    def press() -> None:
        if not one.is_current:
            button(t("sessions.end"), lambda: end(one), "small danger", mark=f"end-session-{number}")

    return (
        name,
        one.ip_address or "—",
        formatting.moment(clock.of(one.created_at), zone),
        formatting.ago(clock.of(one.last_seen_at)),
        press,
    )


async def close_open_pages() -> None:
    """Pages of sessions that have just ended are sent to the sign-in now, not at the next look."""
    await middleware.watch.recheck()
