"""The body of a report: what its page, its Telegram message, the answers to questions and the archive are made of.

It is stored with the report as JSON. ``VERSION`` rises when a reader could not tell an older body from a broken one. Reading
forgives: an older or thinner body lacks parts, and what is not there is empty. Writing does not: the analysis fills each part.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict

#: 1: before the number stood in the body
VERSION = 2

Number_ = int | float | None
T = TypeVar("T")


def _text(value: Any) -> Any:
    return "" if value is None else value


def _iso(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


def _rows(value: Any) -> Any:
    """A list of parts; what is no part is left out."""
    return [one for one in value if isinstance(one, Mapping | BaseModel)] if isinstance(value, list | tuple) else []


def _rows_if_any(value: Any) -> Any:
    return None if value is None else _rows(value)


def _part(value: Any) -> Any:
    return value if isinstance(value, Mapping | BaseModel) else None


def _whole(value: Any) -> Any:
    return value if isinstance(value, Mapping | BaseModel) else {}


def _sentences(value: Any) -> Any:
    """A headline was a list of plain texts once."""
    return _rows([{"text": one} if isinstance(one, str) else one for one in value or ()])


def _indexes(value: Any) -> Any:
    return [one for one in value if isinstance(one, int)] if isinstance(value, list) else []


Text = Annotated[str, BeforeValidator(_text)]
Moment = Annotated[str | None, BeforeValidator(_iso)]
Rows = Annotated[list[T], BeforeValidator(_rows)]
Part = Annotated[T | None, BeforeValidator(_part)]
#: indexes of the report's claims
Claims = Annotated[list[int], BeforeValidator(_indexes)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", coerce_numbers_to_str=True)


class Reader(_Model):
    """Who read the dialogs, and what a person has to know about it."""

    kind: Text = ""
    model: Text = ""
    note: Text = ""


class Header(_Model):
    company: Text = ""
    date: Moment = None
    date_display: Text = ""
    report_type: Text = ""
    period_start: Moment = None
    period_end: Moment = None
    as_of: Moment = None
    is_complete: bool = True
    timezone: Text = ""
    currency: str | None = None
    #: a deal's page at the CRM is this and its number; empty: it has none
    deal_page: Text = ""
    reader: Annotated[Reader, BeforeValidator(_whole)] = Reader()


class Sentence(_Model):
    text: Text = ""
    #: waits: who waited at the window's end; a message says who waits now instead
    about: Text = ""
    claims: Claims = []


class Action(_Model):
    """One client who needs something."""

    who: Text = ""
    manager_id: str | None = None
    client: Text = ""
    phone_masked: str | None = None
    text: Text = ""
    why: Text = ""
    #: the client's own line, for a reader who has not opened the page
    quote: Text = ""
    money: Number_ = None
    money_display: str | None = None
    dialog_id: str | None = None
    deal_id: str | None = None
    #: the waits it is about; ``only_waits``: with their answer nothing of it is left to do
    wait_ids: list[str] = []
    only_waits: bool = False
    claims: Claims = []
    #: the case behind it, and its kind; None: a report that was written before there were cases
    case_id: str | None = None
    kind: Text = ""
    #: the text up to how long it has gone on, and since when: told anew at the moment it is sent
    stem: Text = ""
    since: Moment = None


class AdvisedCase(_Model):
    """A case that the last report of a day advised, and what became of it."""

    case_id: str | None = None
    #: done (a row proves it), dismissed, open, expired, gone
    state: Text = ""
    text: Text = ""
    client: Text = ""
    who: Text = ""
    note: Text = ""
    dialog_id: str | None = None
    message_id: str | None = None
    deal_id: str | None = None
    #: what the row that proves it is: message, call, task or deal
    proof: Text = ""


class Advice(_Model):
    date: Moment = None
    #: «Вчера советовали 3: сделано 2, снято 1»
    text: Text = ""
    done: int = 0
    dismissed: int = 0
    of: int = 0
    items: Rows[AdvisedCase] = []


class Number(_Model):
    """A metric against what is usual; ``label`` is how it was called when the report was written."""

    key: Text = ""
    label: Text = ""
    value: Number_ = None
    display: Text = ""
    usual: Number_ = None
    usual_display: str | None = None
    #: of how many windows the usual is, and in words: «по 4 средам»
    usual_n: int | None = None
    usual_of: Text = ""
    #: what it was the time before, and when that was: «неделей раньше»
    previous: Number_ = None
    previous_display: str | None = None
    previous_of: Text = ""
    #: up, down, same or none; None: an older report does not say
    direction: str | None = None
    good: bool | None = None
    note: Text = ""

    def has(self, name: str) -> bool:
        """Whether the report said it, be it that there is none."""
        return name in self.model_fields_set


class ChangePart(_Model):
    """How much of a difference is of one part; ``part`` is None for the rest of them together."""

    part: str | None = None
    #: the manager or the stage, where the part is or holds one
    name: Text = ""
    label: Text = ""
    contribution: float = 0
    display: Text = ""
    #: the number in this part alone, now and usually
    value_display: Text = ""
    base_display: Text = ""
    n: int = 0


class Split(_Model):
    """A difference by one dimension: its parts sum to it."""

    dimension: Text = ""
    parts: Rows[ChangePart] = []


class Change(_Model):
    """A number that is not what is usual, beyond noise, and why; ``dimension``: the split that explains most."""

    metric: Text = ""
    compared_with: Text = ""
    value_display: Text = ""
    base_display: Text = ""
    #: «по 4 средам»
    base_of: Text = ""
    delta: float = 0
    delta_display: Text = ""
    good: bool | None = None
    text: Text = ""
    dimension: Text = ""
    splits: Rows[Split] = []


class Manager(_Model):
    manager_id: str | None = None
    name: Text = ""
    text: Text = ""
    #: the row of ``period_managers``
    facts: dict[str, Any] = {}


class Risk(_Model):
    text: Text = ""
    kind: Text = ""
    claims: Claims = []
    dialog_id: str | None = None


class Tally(_Model):
    """A topic or an objection, and how many dialogs held it."""

    topic: Text = ""
    kind: Text = ""
    count: int = 0
    claims: Claims = []
    dialog_ids: list[str] = []


class Promise(_Model):
    text: Text = ""
    deadline: Moment = None
    deadline_display: Text = ""
    who: Text = ""
    client: Text = ""
    dialog_id: str | None = None
    claims: Claims = []


class Scores(_Model):
    """A criterion of the rubric, or a manager's scores. ``scored`` of ``of_criteria`` criteria stand behind a manager's."""

    name: Text = ""
    weight: int | None = None
    n: int = 0
    share: float | None = None
    display: Text = ""
    claims: Claims = []
    scored: int = 0
    of_criteria: int = 0


class Quality(_Model):
    """``scored`` of ``of_criteria`` criteria have a score: until all have, there is no share of the whole."""

    share: float | None = None
    display: Text = ""
    dialogs: int = 0
    scored: int = 0
    of_criteria: int = 0
    criteria: Rows[Scores] = []
    managers: Rows[Scores] = []


class Group(_Model):
    """Questions without a topic that share words."""

    words: list[str] = []
    count: int = 0
    claims: Claims = []
    dialog_ids: list[str] = []


class Uncovered(_Model):
    count: int = 0
    groups: Rows[Group] = []


class LostReason(_Model):
    reason: Text = ""
    count: int = 0
    amount: Number_ = None
    #: where the clients of these deals wrote, the latest first
    dialog_ids: list[str] = []
    #: deals whose clients never wrote
    deal_ids: list[str] = []


class Sale(_Model):
    """Deals of one manager that were closed in the window, and what he has open at its end."""

    manager_id: str | None = None
    name: Text = ""
    won: int = 0
    amount: int | float = 0
    lost: int = 0
    lost_amount: int | float = 0
    average: Number_ = None
    open: int = 0
    open_amount: int | float = 0


class ChannelSales(_Model):
    """What one channel brought; no name: deals without a dialog."""

    channel: Text = ""
    new: int = 0
    won: int = 0
    amount: int | float = 0
    average: Number_ = None
    lost: int = 0
    lost_amount: int | float = 0
    open: int = 0
    open_amount: int | float = 0


class StageMoves(_Model):
    """A stage deals came to or left; ``cohort``: the deals that came, of which so many are won and lost."""

    pipeline: Text = ""
    stage: Text = ""
    is_end: bool = False
    entered: int = 0
    left: int = 0
    cohort: int = 0
    won: int = 0
    lost: int = 0


class Incomplete(_Model):
    """Why the data is not whole, until when it is, and what happens next."""

    cause: Text = ""
    until: Moment = None
    next_attempt: Moment = ""
    sources: list[str] = []


class ModeSection(_Model):
    title: Text = ""
    lines: list[str] = []


class Mode(_Model):
    """Of a company that reads one side only: which, what cannot be known therefore, and what there is instead."""

    has_dialogs: bool = True
    has_deals: bool = True
    note: Text = ""
    sections: Rows[ModeSection] = []


class Stated(_Model):
    """A sentence with the messages it stands on."""

    text: Text = ""
    message_ids: list[str] = []


class Summary(_Model):
    """A dialog of the window in one to three sentences. ``state``: a word of the reading's vocabulary."""

    dialog_id: str = ""
    sentences: Rows[Stated] = []
    state: Text = ""
    #: what is next, whose it is and by when, in words
    next_step: str | None = None


class Revision(_Model):
    of_version: int | None = None
    gained: Text = ""


class Body(_Model):
    header: Annotated[Header, BeforeValidator(_whole)] = Header()
    coverage_line: Text = ""
    headline: Annotated[list[Sentence], BeforeValidator(_sentences)] = []
    actions: Rows[Action] = []
    #: None: nothing was advised before
    advice: Part[Advice] = None
    numbers: Rows[Number] = []
    changes: Rows[Change] = []
    managers: Rows[Manager] = []
    risks: Rows[Risk] = []
    topics: Rows[Tally] = []
    objections: Rows[Tally] = []
    promises: Rows[Promise] = []
    quality: Part[Quality] = None
    uncovered: Part[Uncovered] = None
    lost_reasons: Rows[LostReason] = []
    #: None: a company without deals, or a report that was written before there was this section
    sales: Annotated[list[Sale] | None, BeforeValidator(_rows_if_any)] = None
    summaries: Rows[Summary] = []
    #: reason → sentences and findings of the dialogs that were left out because nothing proved them
    dropped: dict[str, int] = {}
    channels: Rows[ChannelSales] = []
    stages: Rows[StageMoves] = []
    quiet: bool = False
    too_little_data: bool = False
    incomplete: Part[Incomplete] = None
    revision: Part[Revision] = None
    #: None: deals and dialogs are both read, or a report that was written before there was this section
    mode: Part[Mode] = None
    version: int = 1

    @classmethod
    def written(cls, parts: Mapping[str, Any]) -> Body:
        """A new body, of today's version."""
        return cls.model_validate({**parts, "version": VERSION})

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Body:
        """A stored body of any version."""
        return cls.model_validate(stored)

    def stored(self) -> dict[str, Any]:
        """As JSON: what was written, and nothing that was not."""
        return self.model_dump(mode="json", exclude_unset=True)
