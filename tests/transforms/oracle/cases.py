"""Cases: what needed somebody, from when, and the row that ended it; each kind from its definition in docs/metrics.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

from tests.transforms.oracle.clock import Clock
from tests.transforms.oracle.people import LOST, WON, Deal, People
from tests.transforms.oracle.periods import Timed
from tests.transforms.oracle.raw import Company, Row
from tests.transforms.oracle.talk import Message, by_client
from tests.transforms.oracle.tasks import fct_tasks
from tests.transforms.oracle.waits import calls

#: a stage is judged by its last hundred ended stays, when there are ten
FEWEST, MOST = 10, 100
A_DAY, AGAIN = timedelta(days=1), timedelta(days=14)
TALK_AGE, DEAL_AGE = timedelta(days=7), timedelta(days=60)
SOON = timedelta(hours=1)


@dataclass
class Case:
    case_id: str
    kind: str
    client_id: str | None
    responsible_id: str | None
    began_at: datetime
    opened_at: datetime
    expires_at: datetime
    deal: Deal | None = None
    what: str | None = None
    dialog_id: str | None = None
    message_id: str | None = None
    due_at: datetime | None = None
    done_at: datetime | None = None
    #: of the column closed_by_…: the row that proves it
    proof: tuple[str, str] | None = None
    proof_dialog: str | None = None
    recurred_at: datetime | None = None

    @property
    def subject(self) -> str:
        return self.client_id or f"deal:{self.deal.deal_id if self.deal else None}"


def fct_case_openings(
    company: Company,
    people: People,
    timed: list[Timed],
    clock: Clock,
    found: list[Message],
    promises: dict[tuple[Any, ...], Row],
) -> dict[tuple[str], Row]:
    cases = [
        *_overdue(timed),
        *_due(promises, clock),
        *_of_acts(company, people, clock, found),
        *_stuck(company, people),
        *_without_task(company, people),
    ]
    _recur(cases)
    return {(one.case_id,): _row(one, people) for one in cases}


def fct_cases(openings: dict[tuple[str], Row], company: Company) -> dict[tuple[str], Row]:
    """Those that have opened by what is known, with what people said."""
    as_of = max(window["as_of"] for window in company.windows)
    return {key: _life(key[0], row, company, as_of) for key, row in openings.items() if row["opened_at"] <= as_of}


def _life(case_id: str, row: Row, company: Company, as_of: datetime) -> Row:
    words = [mark for mark in company.marks if mark["case_id"] == case_id]
    word = words[-1] if words and words[-1]["mark"] == "dismissed" else None
    # what came first ends it: at one moment a proof before a word, a word before the age
    ends: list[tuple[datetime, int, str]] = [(row["expires_at"], 2, "expired")]
    if row["done_at"] is not None:
        ends.append((row["done_at"], 0, "done"))
    if word is not None:
        ends.append((word["marked_at"], 1, "dismissed"))
    at, _, state = min(ends)
    if state == "expired" and at > as_of:
        return {"state": "open", "closed_at": None, "closed_by_message_id": None, "dismissed_reason": None}
    if state == "done" and row["recurred_at"] is not None and row["recurred_at"] <= as_of:
        state = "recurred"
    return {
        "state": state,
        "closed_at": at,
        "closed_by_message_id": row["closed_by_message_id"] if state in ("done", "recurred") else None,
        "dismissed_reason": word["reason"] if word and state == "dismissed" else None,
    }


def _overdue(timed: list[Timed]) -> Iterator[Case]:
    """A client waits past the target, until the answer; given up with the wait, after seven days."""
    for one in timed:
        wait = one.wait
        ends = min(wait.closed_at or wait.expires_at, wait.expires_at)
        if one.deadline is None or one.deadline >= ends:
            continue
        case = Case(
            f"wait_overdue:{wait.wait_id}", "wait_overdue", wait.opening.client_id, wait.responsible, wait.opened_at,
            one.deadline, wait.opened_at + TALK_AGE, dialog_id=wait.opening.dialog_id, message_id=wait.opening.message_id,
            due_at=one.deadline,
        )  # fmt: skip
        if wait.is_answered and wait.answer is not None:
            case.done_at = wait.closed_at
            column = "closed_by_event_id" if wait.closed_by == "call" else "closed_by_message_id"
            case.proof, case.proof_dialog = (column, wait.answer[1]), wait.answer[0]
        yield case


def _due(promises: dict[tuple[Any, ...], Row], clock: Clock) -> Iterator[Case]:
    """A promise of ours on the business day it falls due; kept by its row, or replaced by the next promise of the same."""
    ours = [(key[0], row) for key, row in promises.items() if row["who"] == "manager"]
    ours.sort(key=lambda one: (one[1]["made_at"], one[1]["message_id"].encode(), one[1]["dialog_id"].encode()))
    for place, (promise_id, row) in enumerate(ours):
        opened_at = max(row["made_at"], clock._start_of(clock.business_date(row["due_at"])))
        case = Case(
            f"promise_due:{promise_id}", "promise_due", row["client_id"], row["manager_id"], row["made_at"], opened_at,
            max(row["due_at"], row["made_at"]) + AGAIN, dialog_id=row["dialog_id"], message_id=row["message_id"], due_at=row["due_at"],
            what=row["what"],
        )  # fmt: skip
        if row["state"] == "superseded":
            same = ((one["client_id"], one["what"]) == (row["client_id"], row["what"]) for _, one in ours[place + 1 :])
            newer = next(one for (_, one), is_same in zip(ours[place + 1 :], same, strict=True) if is_same)
            case.done_at, case.proof, case.proof_dialog = (
                newer["made_at"],
                ("closed_by_message_id", newer["message_id"]),
                newer["dialog_id"],
            )
        elif row["kept_at"] is not None:
            column = {
                "message": "closed_by_message_id",
                "call": "closed_by_event_id",
                "task": "closed_by_task_id",
                "deal": "closed_by_deal_id",
            }[row["kept_by"]]
            case.done_at, case.proof_dialog = row["kept_at"], row["kept_by_dialog_id"]
            case.proof = (column, row["kept_by_message_id"] or row["kept_by_event_id"])
        if case.done_at is None or case.done_at > opened_at:
            yield case


#: what ends a case of an act: kinds of what happens
ENDS = {
    "offer_silence": ("manager", "client", "call", "won", "lost"), "won_complaint": ("manager", "call"),
    "unmatched_buyer": ("manager", "call", "refusal", "made"),
}  # fmt: skip
PROOFS = {
    "call": "closed_by_event_id",
    "won": "closed_by_deal_id",
    "lost": "closed_by_deal_id",
    "made": "closed_by_deal_id",
}


@dataclass
class Moment:
    """Something that happens with a client; at one moment words stand before refusals, and both before deals."""

    at: datetime
    place: int
    kind: str
    ref: str
    dialog_id: str = ""

    @property
    def order(self) -> tuple[Any, ...]:
        return self.at, self.place, self.ref.encode(), self.dialog_id.encode(), self.kind.encode()


def _of_acts(company: Company, people: People, clock: Clock, found: list[Message]) -> Iterator[Case]:
    """Offers without an answer, complaints after a sale, and buyers without a deal."""
    acts: dict[tuple[str, str], dict[str, str | None]] = defaultdict(dict)
    for act in company.acts:
        known = acts[act["dialog_id"], act["message_id"]]
        named = [one for one in (known.get(act["act"]), act["what"] or None) if one]
        known[act["act"]] = min(named, default=None)
    by_phone = calls(company, people)
    for client, said in by_client(found).items():
        told = [one for one in said if one.kind in ("client", "manager")]
        life = [Moment(one.sent_at, 1, one.kind, one.message_id, one.dialog_id) for one in told]
        life += [Moment(one.at, 1, "call", one.id) for one in by_phone[client]]
        life += [
            Moment(one.sent_at, 2, "refusal", one.message_id, one.dialog_id)
            for one in told
            if one.kind == "client" and "refusal" in acts[one.dialog_id, one.message_id]
        ]
        for deal in people.deals_of[client]:
            life.append(Moment(deal.created_at, 3, "made", deal.deal_id))
            if deal.closed_at is not None:
                life.append(Moment(deal.closed_at, 3, deal.stage_kind, deal.deal_id))
        life.sort(key=lambda one: one.order)
        for case in (*_silences(told, acts, life, clock), *_asked(told, acts, life, people)):
            end = next((one for one in life if one.at > case.opened_at and one.kind in ENDS[case.kind]), None)
            if end is not None:
                case.done_at, case.proof = end.at, (PROOFS.get(end.kind, "closed_by_message_id"), end.ref)
                case.proof_dialog = end.dialog_id or None
            case.responsible_id = case.responsible_id or people.responsible(client, case.began_at)
            yield case


def _silences(told: list[Message], acts: Any, life: list[Moment], clock: Clock) -> Iterator[Case]:
    offers = [one for one in told if one.kind == "manager" and "offer" in acts[one.dialog_id, one.message_id]]
    offers.sort(key=lambda one: (one.sent_at, one.message_id.encode(), one.dialog_id.encode()))
    for place, one in enumerate(offers):
        opened_at = _after_three_days(one.sent_at, clock)
        if place + 1 < len(offers) and offers[place + 1].sent_at <= opened_at:
            continue
        if any(
            one.sent_at < other.at <= opened_at and other.kind in ("client", "call", "won", "lost") for other in life
        ):
            continue
        yield Case(
            f"offer_silence:{one.key}", "offer_silence", one.client_id, one.author_id, one.sent_at, opened_at, opened_at + AGAIN,
            dialog_id=one.dialog_id, message_id=one.message_id, what=acts[one.dialog_id, one.message_id]["offer"],
        )  # fmt: skip


def _after_three_days(sent_at: datetime, clock: Clock) -> datetime:
    """The beginning of work on the fourth working day after; where work never begins, three days."""
    today = sent_at.astimezone(clock.zone).date()
    firsts: dict[date, datetime] = {}
    for begins, _ in clock.working:
        day = begins.astimezone(clock.zone).date()
        if begins > sent_at and day > today and begins < sent_at + timedelta(days=60):
            firsts.setdefault(day, begins)
    days = sorted(firsts)
    return firsts[days[3]] if len(days) > 3 else sent_at + timedelta(days=3)


def _asked(told: list[Message], acts: Any, life: list[Moment], people: People) -> Iterator[Case]:
    """Complaints of those to whom something was sold, and buyers without a deal: the first since our last word."""
    ours = [one for one in life if one.kind in ("manager", "call")]
    for act, kind in (("complaint", "won_complaint"), ("asks_to_buy", "unmatched_buyer")):
        mine = [one for one in told if one.kind == "client" and act in acts[one.dialog_id, one.message_id]]
        mine.sort(key=lambda one: (one.sent_at, one.message_id.encode(), one.dialog_id.encode()))
        for place, one in enumerate(mine):
            last = max((word.at for word in ours if word.at <= one.sent_at), default=None)
            if any(last is None or before.sent_at >= last for before in mine[:place]):
                continue
            opened_at, deal = one.sent_at, None
            if act == "complaint":
                won = [event for event in life if event.kind == "won" and event.at <= one.sent_at]
                if not won:
                    continue
                at = max(event.at for event in won)
                deal = next(event.ref for event in won if event.at == at)
            else:
                opened_at += A_DAY
                before = [event for event in life if event.at <= opened_at]
                words = [event for event in before if event.kind in ("client", "manager", "call")]
                refused = any(event.kind == "refusal" and event.at > one.sent_at for event in before)
                if refused or any(event.kind == "made" for event in before) or words[-1].kind != "client":
                    continue
            yield Case(
                f"{kind}:{one.key}", kind, one.client_id, None, one.sent_at, opened_at, opened_at + AGAIN,
                deal=people.deals[int(deal)] if deal else None, dialog_id=one.dialog_id, message_id=one.message_id,
            )  # fmt: skip


@dataclass
class Stay:
    deal: Deal
    stage: tuple[int, int]
    begun_by: str
    since: datetime
    until: datetime | None
    ended_by: str | None


def _stays(company: Company, people: People) -> list[Stay]:
    """Where each deal stood, and how long: from its making, through its moves, to its end."""
    moves: dict[str, list[tuple[datetime, bytes, str, tuple[int, int], tuple[int, int]]]] = defaultdict(list)
    for event in company.events:
        if event["type"] == "lead_status_changed":
            sides = [event["payload"][name][0]["lead_status"] for name in ("value_before", "value_after")]
            before, after = ((side["pipeline_id"], side["id"]) for side in sides)
            moves[str(event["entity_id"])].append(
                (event["created_at"], event["id"].encode(), event["id"], before, after)
            )
    found = []
    for deal in people.deals.values():
        mine = sorted(moves[deal.deal_id])
        marks = [(deal.created_at, 0, b"", "created", mine[0][3] if mine else (deal.pipeline_id, deal.status_id))]
        marks += [(at, 1, key, id, after) for at, key, id, _, after in mine]
        marks.sort(key=lambda mark: mark[:3])
        for place, (at, _, _, id, stage) in enumerate(marks):
            until, by = (marks[place + 1][0], marks[place + 1][3]) if place + 1 < len(marks) else (None, None)
            if until is None and deal.closed_at is not None:
                until = max(deal.closed_at, at)
            if stage[1] not in (WON, LOST):
                found.append(Stay(deal, stage, id, at, until, by))
    return found


def _stuck(company: Company, people: People) -> Iterator[Case]:
    """A deal stands still longer than three quarters of the stays that had ended in its stage before it came."""
    stays = _stays(company, people)
    ended: dict[tuple[int, int], list[Stay]] = defaultdict(list)
    for stay in stays:
        if stay.until is not None:
            ended[stay.stage].append(stay)
    for stay in stays:
        known = [one for one in ended[stay.stage] if one.until is not None and one.until <= stay.since]
        known.sort(key=lambda one: (one.until, one.deal.deal_id.encode(), one.begun_by.encode()), reverse=True)
        lengths = sorted(one.until - one.since for one in known[:MOST] if one.until is not None)
        if len(lengths) < FEWEST:
            continue
        opened_at = stay.since + max(_third_quartile(lengths), A_DAY)
        if stay.until is not None and stay.until <= opened_at:
            continue
        expires_at = opened_at + DEAL_AGE
        if stay.deal.is_deleted:
            expires_at = min(expires_at, max(stay.deal.updated_at, opened_at))
        case = Case(
            f"deal_stuck:{stay.deal.deal_id}:{stay.begun_by}", "deal_stuck", stay.deal.client_id, stay.deal.responsible_id,
            stay.since, opened_at, expires_at, deal=stay.deal, done_at=stay.until,
        )  # fmt: skip
        if stay.until is not None:
            case.proof = (
                ("closed_by_event_id", stay.ended_by) if stay.ended_by else ("closed_by_deal_id", stay.deal.deal_id)
            )
        yield case


def _without_task(company: Company, people: People) -> Iterator[Case]:
    """A day after an open deal was made, or its last task was done: done by the next task or the deal's end."""
    standing = fct_tasks(company, people)
    tasks: dict[str, list[tuple[datetime, str, datetime | None]]] = defaultdict(list)
    for task in company.tasks:
        row = standing.get((str(task["id"]),))
        if row is not None:
            done = max(row["completed_at"], task["created_at"]) if row["is_completed"] else None
            tasks[row["deal_id"]].append((task["created_at"], str(task["id"]), done))
    for deal in people.deals.values():
        mine = sorted(tasks[deal.deal_id], key=lambda task: (task[0], task[1].encode()))
        starts = {deal.created_at: "created"}
        for _, id, done in sorted(mine, key=lambda task: task[1].encode()):
            # of several done at one moment, the last by id gives the name
            if done is not None and done > deal.created_at:
                starts[done] = id
        for began, named in starts.items():
            if any(made <= began and (done is None or done > began) for made, _, done in mine):
                continue
            later = next(((made, id) for made, id, _ in mine if made > began), None)
            opened_at = began + A_DAY
            expires_at = opened_at + DEAL_AGE
            if deal.is_deleted:
                expires_at = min(expires_at, max(deal.updated_at, opened_at))
            case = Case(
                f"deal_without_task:{deal.deal_id}:{named}", "deal_without_task", deal.client_id, deal.responsible_id, began,
                opened_at, expires_at, deal=deal,
            )  # fmt: skip
            if later is not None and (deal.closed_at is None or later[0] <= deal.closed_at):
                case.done_at, case.proof = later[0], ("closed_by_task_id", later[1])
            elif deal.closed_at is not None:
                case.done_at, case.proof = deal.closed_at, ("closed_by_deal_id", deal.deal_id)
            if case.done_at is None or case.done_at > opened_at:
                yield case


def _third_quartile(lengths: list[timedelta]) -> timedelta:
    place = Fraction(3 * (len(lengths) - 1), 4)
    low = int(place)
    high = min(low + 1, len(lengths) - 1)
    return lengths[low] + (lengths[high] - lengths[low]) * float(place - low)


def _recur(found: list[Case]) -> None:
    opened: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    for case in found:
        opened[case.kind, case.subject].append(case.opened_at)
    for case in found:
        if case.done_at is not None:
            later = [at for at in opened[case.kind, case.subject] if case.done_at < at <= case.done_at + AGAIN]
            case.recurred_at = min(later, default=None)


def _row(case: Case, people: People) -> Row:
    # of a buyer without a deal, none
    deal = case.deal or (_bought(case, people) if case.kind != "unmatched_buyer" else None)
    price = deal.price if deal and not deal.is_deleted else None
    proof = dict([case.proof]) if case.proof else {}
    return {
        "kind": case.kind,
        "subject_id": case.subject,
        "client_id": case.client_id,
        "deal_id": deal.deal_id if deal else None,
        "dialog_id": case.dialog_id,
        "evidence_message_id": case.message_id,
        "what": case.what,
        "responsible_id": case.responsible_id,
        "began_at": case.began_at,
        "opened_at": case.opened_at,
        "due_at": case.due_at,
        "money": price or None,
        "done_at": case.done_at,
        "closed_by_dialog_id": case.proof_dialog,
        **{
            name: proof.get(name)
            for name in ("closed_by_message_id", "closed_by_event_id", "closed_by_deal_id", "closed_by_task_id")
        },
        "expires_at": case.expires_at,
        "recurred_at": case.recurred_at,
    }


def _bought(case: Case, people: People) -> Deal | None:
    """The dearest of the client's deals that were open when the case opened."""
    at = case.opened_at
    deals = [
        deal
        for deal in people.deals_of[case.client_id or ""]
        if deal.created_at <= at + SOON and (deal.closed_at is None or deal.closed_at > at)
    ]
    deals.sort(key=lambda deal: deal.deal_id.encode())
    deals.sort(key=lambda deal: -1 if deal.price is None else deal.price, reverse=True)
    return deals[0] if deals else None
