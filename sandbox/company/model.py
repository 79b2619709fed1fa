"""The nouns of the invented company: people, deals, dialogs, and what happened to them and when.

Everything carries its moment (aware UTC ``datetime``), so that a server can show the state of any moment:
a deal is the fold of its changes up to then, a dialog the messages sent up to then.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo
from typing import Any, ClassVar

from sandbox.company.labels import Label

WON, LOST = 142, 143


@dataclass(slots=True, frozen=True)
class Habit:
    """How one manager works; minutes are the median wait of his clients in his hours."""

    minutes: float
    spread: float = 0.8
    forgets: float = 0.04
    phone_app: float = 0.08  # share of answers typed in the messenger's own app: amoCRM names no author
    late_hours: float = 0.1  # share of evening questions answered from home
    shift: tuple[int, int] = (9, 19)
    days_off: tuple[int, ...] = (6,)


@dataclass(slots=True, frozen=True)
class Manager:
    id: int
    name: str
    email: str
    phone: str
    habit: Habit
    is_active: bool = True
    is_admin: bool = False

    @property
    def first_name(self) -> str:
        return self.name.split()[0]


@dataclass(slots=True, frozen=True)
class Stage:
    id: int
    name: str
    sort: int
    color: str = "#99ccff"
    is_incoming: bool = False


@dataclass(slots=True, frozen=True)
class Pipeline:
    id: int
    name: str
    sort: int
    stages: tuple[Stage, ...]
    is_main: bool = False
    is_archive: bool = False


@dataclass(slots=True, frozen=True)
class Connection:
    """A messenger account connected to Radist; ``type`` is the vendor's own open vocabulary."""

    id: int
    type: str
    name: str
    phone: str | None = None


@dataclass(slots=True)
class Change:
    """Fields of one row set at one moment; ``by`` 0 is a robot."""

    at: datetime
    by: int
    values: dict[str, Any]


@dataclass(slots=True)
class Timeline:
    """A row that changes: its state at a moment is the fold of its changes up to then."""

    changes: list[Change] = field(default_factory=list)
    _times: list[datetime] = field(default_factory=list)
    _folded: tuple[int, dict[str, Any]] = (0, {})

    def add(self, change: Change) -> None:
        at = bisect_right(self._times, change.at)
        self._times.insert(at, change.at)
        self.changes.insert(at, change)
        self._folded = (0, {})

    def cut(self, until: datetime) -> None:
        """Forget the changes at ``until`` and later."""
        self.changes = [change for change in self.changes if change.at < until]
        self._times = [change.at for change in self.changes]
        self._folded = (0, {})

    def state(self, now: datetime) -> dict[str, Any]:
        """Values at ``now`` with ``updated_at`` and ``updated_by``; empty before the first change."""
        count = bisect_right(self._times, now)
        if self._folded[0] != count:
            values: dict[str, Any] = {}
            for change in self.changes[:count]:
                values.update(change.values)
                values["updated_at"], values["updated_by"] = change.at, change.by
            self._folded = (count, values)
        return self._folded[1]


@dataclass(slots=True)
class Contact:
    """A contact of amoCRM. ``phones`` are raw strings, as people typed them."""

    id: int
    created_at: datetime
    created_by: int
    history: Timeline
    phones: list[tuple[str, str]]  # (raw value, enum code)
    email: str | None = None


@dataclass(slots=True)
class Deal:
    id: int
    created_at: datetime
    created_by: int
    history: Timeline
    contact_ids: list[int]  # the first one is the main contact
    tags: list[int]
    fields: dict[int, list[dict[str, Any]]]


@dataclass(slots=True)
class Message:
    """One message. ``kind`` and ``author_id`` are the truth, ``crm_author`` what amoCRM says about it."""

    id: str
    chat_id: int
    at: datetime
    kind: str  # client, manager, bot, system
    type: str  # message_type of Radist
    text: str | None
    file_name: str | None = None
    author_id: int | None = None
    crm_author: int = 0
    is_broadcast: bool = False
    read_at: datetime | None = None
    #: what a careful reader says about it; None: nobody asks (robots, the company's own talk)
    label: Label | None = None

    @property
    def direction(self) -> str:
        return "inbound" if self.kind == "client" else "outbound"


@dataclass(slots=True)
class Chat:
    """One dialog in one channel, and the CRM rows it hangs on (None: the CRM does not know this person)."""

    id: int
    connection_id: int
    radist_contact_id: int
    source_chat_id: str
    phone: str
    name: str
    username: str | None = None
    is_group: bool = False
    crm_contact_id: int | None = None
    deal_id: int | None = None
    #: how its client writes, a word of :mod:`sandbox.company.styles`; empty: as people wrote before there were styles
    style: str = ""
    messages: list[Message] = field(default_factory=list)
    times: list[datetime] = field(default_factory=list)

    #: how often any dialog was settled: what was worked out before holds no more
    settled: ClassVar[int] = 0

    def settle(self) -> None:
        """Put the messages in order of time; call after adding or removing any."""
        self.messages.sort(key=lambda m: (m.at, m.id))
        self.times = [m.at for m in self.messages]
        Chat.settled += 1


@dataclass(slots=True)
class RadistContact:
    id: int
    name: str | None
    chats: list[Chat] = field(default_factory=list)
    is_group: bool = False


@dataclass(slots=True)
class Note:
    id: int
    entity_type: str  # leads or contacts
    entity_id: int
    type: str
    created_at: datetime
    created_by: int
    responsible_id: int
    params: dict[str, Any]


@dataclass(slots=True)
class Task:
    id: int
    deal_id: int
    created_at: datetime
    responsible_id: int
    text: str
    due_at: datetime
    done_at: datetime | None = None
    result: str | None = None
    type_id: int = 1


@dataclass(slots=True)
class Event:
    """A row of amoCRM's immutable log."""

    id: str
    type: str
    entity_type: str  # singular, as the vendor has it here
    entity_id: int
    created_by: int
    created_at: datetime
    after: list[dict[str, Any]]
    before: list[dict[str, Any]]
    contact_id: int | None = None


@dataclass(slots=True)
class Arc:
    """Everything one client's story left behind."""

    started: date
    chats: list[Chat] = field(default_factory=list)
    radist_contacts: list[RadistContact] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    ends: datetime | None = None


@dataclass(slots=True)
class Company:
    """An invented company with its whole past and near future; servers show it up to their clock."""

    seed: int
    size: str
    name: str
    subdomain: str
    timezone: str
    zone: tzinfo
    first_day: date
    last_day: date
    managers: list[Manager]
    pipelines: list[Pipeline]
    loss_reasons: dict[int, str]
    tags: dict[int, str]
    connections: list[Connection]
    bot_texts: list[str]
    vertical: str
    internal_phones: list[str]
    chats: list[Chat] = field(default_factory=list)
    radist_contacts: list[RadistContact] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """How much there is of everything, the future up to the end of ``last_day`` included."""
        return {
            "deals": len(self.deals),
            "contacts": len(self.contacts),
            "chats": len(self.chats),
            "messages": sum(len(chat.messages) for chat in self.chats),
            "events": len(self.events),
            "notes": len(self.notes),
            "tasks": len(self.tasks),
        }
