"""What is usual, and why a number differs from it: the parts of each difference, in fractions and by the definitions alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.transforms.oracle.people import Deal
from tests.transforms.oracle.periods import Period, Timed, percentile, rounded
from tests.transforms.oracle.raw import Row

#: at most so many windows make the usual
OF = 4
SHARES = ("answered_within_target", "answered_within_5")
MEDIANS = ("first_response_p50", "response_p50")
PERCENTILES = {
    "first_response_p50": Fraction(1, 2), "first_response_p90": Fraction(9, 10), "response_p50": Fraction(1, 2),
    "response_p90": Fraction(9, 10),
}  # fmt: skip
USUAL = frozenset((
    "messages", "waits", "waits_answered", "sessions", "dialogs", "excluded_dialogs", "clients", "deals", "new_clients",
    "first_response_p50", "first_response_p90", "first_response_n", "response_p50", "response_p90", "answered_within_target",
    "answered_within_5", "unanswered_now", "breached", "off_hours_answers", "match_rate", "money_at_risk", "money_at_risk_unpriced",
    "deals_won", "deals_won_amount", "deals_lost",
))  # fmt: skip
ENDS = (142, 143)


@dataclass
class Thing:
    """Something counted: the part it is in, by dimension, and what it adds."""

    parts: dict[str, str]
    amount: Fraction = Fraction(1)


class Compared:
    """A window with what its numbers are made of."""

    def __init__(self, period: Period, zone: ZoneInfo) -> None:
        self.period, self.zone = period, zone
        self.numbers = period.summary()
        people = period.people
        self.began: dict[str, datetime] = {}
        first: dict[str, tuple[datetime, str]] = {}
        for message in period.all:
            if message.kind == "client":
                self.began.setdefault(message.client_id, message.sent_at)
            first.setdefault(message.dialog_id, (message.sent_at, message.dialog_id))
        self.channels = {one.dialog_id: one.channel for one in people.dialogs.values()}
        self.first_channel: dict[str, str] = {}
        never = (datetime.max.replace(tzinfo=period.start.tzinfo),)
        living = [one for one in people.dialogs.values() if not one.is_left_out]
        for one in sorted(living, key=lambda one: (first.get(one.dialog_id, never)[0], one.dialog_id)):
            self.first_channel.setdefault(one.client_id, one.channel)
        dialogs = {message.dialog_id: message.client_id for message in period.messages}
        self.numbers["matched"] = sum(bool(people.deals_of[client]) for client in dialogs.values())
        self.things = self._things()

    def _things(self) -> dict[str, list[Thing]]:
        """By number; a share has the waits it is of, 1 for those in it; a median has its minutes."""
        period, numbers = self.period, self.numbers
        asked = [(wait, self._of_wait(wait, self._answerer(wait))) for wait in period.waits]
        judged = [(w, p) for w, p in asked if w.answered_by(period.as_of) or w.is_late(period.as_of)]
        timed = [
            (w, Thing(p, Fraction(rounded(w.minutes, 4) or 0)))
            for w, p in asked
            if w.answered_by(period.as_of) and not w.is_off_hours and w.minutes is not None
        ]
        waiting = [(wait, self._of_wait(wait, wait.wait.responsible, pair=False)) for wait in period.open]
        late = {wait.wait.opening.client_id for wait in period.open if wait.is_late(period.now)}
        risky = [deal for deal in period.living if deal.client_id in late and deal.was_open(period.now)]
        created = [self._of_deal(deal) for deal in period.living if period.holds(deal.created_at)]
        won, lost = (
            [(d, self._of_deal(d, self._before_end(d))) for d in period.closed(kind)] for kind in ("won", "lost")
        )
        at_risk = [Thing(self._of_deal(d, self._at(d, period.now)), max(_price(d), Fraction(0))) for d in risky]
        found = {
            "waits": [Thing(p) for _, p in asked],
            "breached": [Thing(p) for w, p in asked if w.is_late(period.as_of)],
            "answered_within_target": [Thing(p, Fraction(_in_time(w, period))) for w, p in judged],
            "answered_within_5": [Thing(p, Fraction(_in_five(w, period))) for w, p in judged],
            "response_p50": [thing for _, thing in timed],
            "first_response_p50": [thing for w, thing in timed if w.wait.is_first],
            "unanswered_now": [Thing(p) for _, p in waiting],
            "unanswered_overdue": [Thing(p) for w, p in waiting if w.is_late(period.now)],
            "dialogs": self._dialogs(),
            "new_clients": self._new_clients(),
            "money_at_risk": at_risk,
            "deals_new": [Thing(p) for p in created],
            "deals_won": [Thing(p) for _, p in won],
            "deals_won_amount": [Thing(p, _price(d)) for d, p in won],
            "deals_lost": [Thing(p) for _, p in lost],
            "deals_lost_amount": [Thing(p, _price(d)) for d, p in lost],
        }  # fmt: skip
        numbers["unanswered_overdue"] = len(found["unanswered_overdue"])
        numbers["deals_new"] = len(created)
        numbers["deals_lost_amount"] = sum((d.price or Decimal() for d, _ in lost), Decimal())
        return found

    def _answerer(self, wait: Timed) -> str | None:
        return wait.wait.replied_by if wait.answered_by(self.period.as_of) else wait.wait.responsible

    def _of_wait(self, wait: Timed, manager: str | None, *, pair: bool = True) -> dict[str, str]:
        opening = wait.wait.opening
        hours = self._hours(wait.opened_at)
        parts = {
            "manager": manager or "", "channel": self.channels[opening.dialog_id], "hours": hours,
            "clients": self._kind(opening.client_id),
        }  # fmt: skip
        return {**parts, "manager_hours": f"{manager or ''}/{hours}"} if pair else parts

    def _of_deal(self, deal: Deal, stage: str | None = None) -> dict[str, str]:
        client = deal.client_id or ""
        parts = {
            "manager": deal.responsible_id or "", "channel": self.first_channel.get(client, ""), "clients": self._kind(client),
        }  # fmt: skip
        return parts if stage is None else {**parts, "stage": stage}

    def _hours(self, moment: datetime) -> str:
        hour = moment.astimezone(self.zone).hour
        return "00-09" if hour < 9 else "09-13" if hour < 13 else "13-17" if hour < 17 else "17-24"

    def _kind(self, client: str) -> str:
        began = self.began.get(client)
        if began is None or began >= self.period.end:
            return ""
        return "new" if began >= self.period.start else "returning"

    def _dialogs(self) -> list[Thing]:
        first: dict[str, Any] = {}
        for message in self.period.messages:
            first.setdefault(message.dialog_id, message)
        return [
            Thing({
                "manager": self._shown_manager(one.client_id), "channel": self.channels[dialog],
                "hours": self._hours(one.sent_at), "clients": self._kind(one.client_id),
            })
            for dialog, one in first.items()
        ]  # fmt: skip

    def _new_clients(self) -> list[Thing]:
        return [
            Thing({
                "manager": self._shown_manager(client), "channel": self.first_channel.get(client, ""), "hours": self._hours(moment),
            })
            for client, moment in self.began.items()
            if self.period.holds(moment)
        ]  # fmt: skip

    def _shown_manager(self, client: str) -> str:
        """Responsible for the deal that stands beside the client's dialogs."""
        deal = self.period.people.deal_of(client)
        return (deal.responsible_id or "") if deal else ""

    def _moves(self, deal: Deal) -> list[tuple[datetime, str, str, str]]:
        """(moment, id, stage before, stage after), in order."""
        found = []
        for event in self.period.company.events:
            if event["type"] == "lead_status_changed" and str(event["entity_id"]) == deal.deal_id:
                before, after = (event["payload"][name][0]["lead_status"] for name in ("value_before", "value_after"))
                found.append(
                    (
                        event["created_at"],
                        event["id"],
                        f"{before['pipeline_id']}:{before['id']}",
                        f"{after['pipeline_id']}:{after['id']}",
                    )
                )
        return sorted(found)

    def _before_end(self, deal: Deal) -> str:
        """The stage it was closed from, as the last move to an end says; empty where none does."""
        ends = [before for _, _, before, after in self._moves(deal) if int(after.split(":")[1]) in ENDS]
        return ends[-1] if ends else ""

    def _at(self, deal: Deal, moment: datetime) -> str:
        moves = self._moves(deal)
        past = [after for at, _, _, after in moves if at <= moment]
        coming = [before for at, _, before, _ in moves if at > moment]
        return past[-1] if past else coming[0] if coming else f"{deal.pipeline_id}:{deal.status_id}"


def against(
    compared: Compared, every: dict[tuple[datetime, datetime], Compared]
) -> tuple[dict[Any, Row], dict[Any, Row]]:
    """Rows of period_usual by (comparison, metric), and of period_changes by (comparison, metric, dimension, part)."""
    usual: dict[Any, Row] = {}
    changes: dict[Any, Row] = {}
    for name in ("usual", "previous"):
        offered = [one for one in compared.period.row.get("baselines", []) if one["compared_with"] == name]
        spans = [(datetime.fromisoformat(one["start"]), datetime.fromisoformat(one["end"])) for one in offered]
        whole = sorted((span for span in spans if every[span].numbers["is_complete"]), reverse=True)
        bases = [every[span] for span in whole[:OF]]
        if not bases or (len(bases) == 1 and name == "usual" and offered[0]["unit"] != "working_days"):
            continue
        for metric in USUAL | compared.things.keys():
            value = _usual(metric, bases)
            if metric in USUAL and value is not None:
                usual[name, metric] = {
                    "value": value, "spread": _spread(metric, bases), "windows": len(bases), "unit": offered[0]["unit"],
                    "working_days": offered[0]["working_days"],
                }  # fmt: skip
            now = compared.numbers[metric]
            if metric in compared.things and now is not None and value is not None:
                for key, row in _changes(metric, compared, bases, Decimal(now), value).items():
                    changes[name, metric, *key] = row
    return usual, changes


def _usual(metric: str, bases: list[Compared]) -> Decimal | None:
    if metric in SHARES:
        things = [thing.amount for base in bases for thing in base.things[metric]]
        return rounded(sum(things) / Fraction(len(things)), 4) if things else None
    if metric in PERCENTILES:
        things = [thing.amount for base in bases for thing in base.things[metric[:-3] + "p50"]]
        return percentile(things, PERCENTILES[metric])
    values = [base.numbers[metric] for base in bases if base.numbers[metric] is not None]
    if not values:
        return None
    if metric == "match_rate":
        dialogs = sum(base.numbers["dialogs"] for base in bases)
        return rounded(Fraction(sum(base.numbers["matched"] for base in bases), dialogs), 4) if dialogs else None
    return _shown(sum(map(Fraction, values), Fraction(0)) / len(values), 4)


def _spread(metric: str, bases: list[Compared]) -> Decimal | None:
    values = [Fraction(base.numbers[metric]) for base in bases if base.numbers[metric] is not None]
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    with localcontext() as context:
        context.prec = 60
        exact = (Decimal(variance.numerator) / Decimal(variance.denominator)).sqrt()
        return exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _changes(metric: str, now: Compared, bases: list[Compared], value: Decimal, usual: Decimal) -> dict[Any, Row]:
    mine = now.things[metric]
    theirs = [thing for base in bases for thing in base.things[metric]]
    rows: dict[Any, Row] = {}
    for dimension in sorted({name for thing in [*mine, *theirs] for name in thing.parts}):
        own, other = _by_part(mine, dimension), _by_part(theirs, dimension)
        parts = sorted(own.keys() | other.keys())
        difference = Fraction(value) - Fraction(usual)
        if metric in SHARES:
            exact = _mean_parts(own, other, parts)
        elif metric in MEDIANS:
            exact = _median_parts(own, other, parts, Fraction(usual), Fraction(value))
        else:
            exact = {part: sum(own[part], Fraction(0)) - sum(other[part], Fraction(0)) / len(bases) for part in parts}
        shown = {part: _shown(exact[part], 6) for part in parts}
        rest = difference - sum(map(Fraction, shown.values()))
        for place, part in enumerate(sorted(parts, key=lambda part: (-abs(shown[part]), part))):
            rows[dimension, part] = {
                "value": value, "base": usual, "n": len(own[part]),
                "contribution": shown[part] + (_exactly(rest) if place == 0 else 0),
                "part_value": _alone(metric, own[part], 1), "part_base": _alone(metric, other[part], len(bases)),
            }  # fmt: skip
    return rows


def _by_part(things: list[Thing], dimension: str) -> dict[str, list[Fraction]]:
    found: dict[str, list[Fraction]] = defaultdict(list)
    for thing in things:
        if dimension in thing.parts:
            found[thing.parts[dimension]].append(thing.amount)
    return found


def _mean_parts(
    own: dict[str, list[Fraction]], other: dict[str, list[Fraction]], parts: list[str]
) -> dict[str, Fraction]:
    """Rate and mix of Kitagawa: the change of a part's mean at the middle weight, and of its weight at its middle distance."""
    n, m = sum(map(len, own.values())), sum(map(len, other.values()))
    whole = (sum(map(sum, own.values())) / Fraction(n) + sum(map(sum, other.values())) / Fraction(m)) / 2
    found = {}
    for part in parts:
        weight, usual_weight = Fraction(len(own[part]), n), Fraction(len(other[part]), m)
        mean = _mean(own[part] or other[part])
        usual_mean = _mean(other[part] or own[part])
        rate = (weight + usual_weight) / 2 * (mean - usual_mean)
        found[part] = rate + (weight - usual_weight) * ((mean + usual_mean) / 2 - whole)
    return found


def _median_parts(
    own: dict[str, list[Fraction]], other: dict[str, list[Fraction]], parts: list[str], usual: Fraction, value: Fraction
) -> dict[str, Fraction]:
    low, high = min(usual, value), max(usual, value)

    def held(side: dict[str, list[Fraction]]) -> dict[str, list[Fraction]]:
        return defaultdict(list, {part: [min(max(one, low), high) for one in values] for part, values in side.items()})

    effects = _mean_parts(held(own), held(other), parts)
    total = sum(effects.values())
    if total * (value - usual) > 0:
        return {part: effect / total * (value - usual) for part, effect in effects.items()}
    n = sum(map(len, own.values()))
    return {part: Fraction(len(own[part]), n) * (value - usual) for part in parts}


def _alone(metric: str, amounts: list[Fraction], windows: int) -> Decimal | None:
    """The number of one part; of a count, in one window on average."""
    if metric in MEDIANS:
        return percentile(amounts, Fraction(1, 2))
    if metric in SHARES:
        return rounded(sum(amounts) / Fraction(len(amounts)), 4) if amounts else None
    return _shown(sum(amounts, Fraction(0)) / windows, 4)


def _mean(values: list[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def _shown(value: Fraction, places: int) -> Decimal:
    """Half away from zero, as numeric rounds."""
    found = rounded(abs(value), places) or Decimal()
    return -found if value < 0 else found


def _exactly(value: Fraction) -> Decimal:
    """A value with at most six decimals."""
    found = _shown(value, 6)
    assert Fraction(found) == value
    return found


def _price(deal: Deal) -> Fraction:
    return Fraction(deal.price or 0)


def _in_time(wait: Timed, period: Period) -> bool:
    return wait.answered_by(period.as_of) and not wait.is_late(period.as_of)


def _in_five(wait: Timed, period: Period) -> bool:
    return wait.answered_by(period.as_of) and wait.minutes is not None and (rounded(wait.minutes, 4) or 0) <= 5
