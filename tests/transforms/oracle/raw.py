"""What the oracle is given: one tenant's raw rows as the connectors write them, and its settings.

Rows are plain dicts with the columns of the raw tables; ``payload`` is the vendor's JSON as a dict. All moments are
aware. Nothing here is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

Row = dict[str, Any]


@dataclass
class Settings:
    """The tenant's settings. ``calendars``: the calendar JSON valid from each local date, in order; the first one is of the
    days no other covers, the others may say ``valid_to``."""

    timezone: str
    business_day_start: time
    calendars: list[tuple[date, dict[str, Any] | None]]
    #: target in working minutes, and the moment it was set; the last one is in force now
    targets: list[tuple[datetime, int]]
    session_gap_hours: int = 24
    mode: str = "amocrm_radist"
    excluded_phones: list[str] = field(default_factory=list)
    bot_senders: list[str] = field(default_factory=list)
    sales_pipelines: list[str] = field(default_factory=list)


@dataclass
class Company:
    """``calendar_range``: first and last local date for which working time is known, both included."""

    settings: Settings
    calendar_range: tuple[date, date]
    sources: list[Row] = field(default_factory=list)
    chats: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    users: list[Row] = field(default_factory=list)
    pipelines: list[Row] = field(default_factory=list)
    loss_reasons: list[Row] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)
    leads: list[Row] = field(default_factory=list)
    deleted: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    tasks: list[Row] = field(default_factory=list)
    #: what the messages do, decided before the marts: dialog_id, message_id, act, what, due_at
    acts: list[Row] = field(default_factory=list)
    #: window_start, window_end, as_of, is_complete; baselines: the windows offered to compare with
    windows: list[Row] = field(default_factory=list)
