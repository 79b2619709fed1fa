"""What a version of a report says that the one before it did not: numbers and actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from synkro.metrics.registry import NUMBERS
from synkro.reporting.body import Action
from synkro.reporting.reports import Report


@dataclass(frozen=True)
class Change:
    """A number that both versions have, and not the same."""

    column: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Difference:
    numbers: list[Change]
    added: list[Action]
    removed: list[Action]

    def __bool__(self) -> bool:
        return bool(self.numbers or self.added or self.removed)


def between(before: Report, after: Report) -> Difference:
    """Numbers that changed from ``before`` to ``after``, and the actions that either of the two lacks."""
    numbers = [
        Change(column, before.numbers[column], after.numbers[column])
        for column in NUMBERS
        if column in before.numbers and column in after.numbers and before.numbers[column] != after.numbers[column]
    ]
    then, now = before.body.actions, after.body.actions
    return Difference(numbers, _new(now, then), _new(then, now))


def _new(these: Sequence[Action], others: Sequence[Action]) -> list[Action]:
    """Those of ``these`` that ``others`` lack: the same client, asked for the same, is the same action."""
    known = {_key(one) for one in others}
    return [one for one in these if _key(one) not in known]


def _key(one: Action) -> tuple[str, str]:
    return (one.dialog_id or one.deal_id or one.client, one.text)
