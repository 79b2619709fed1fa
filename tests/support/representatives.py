"""Which cases of a large table stay in ``make test``: each value of each of its dimensions is met at least once.

The whole table is asked by ``make assurance``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest
from _pytest.mark.structures import ParameterSet


def representatives(cases: Iterable[ParameterSet], classes: Callable[..., Iterable[Hashable]]) -> list[ParameterSet]:
    """The same cases; those that meet no class for the first time are marked ``assurance``.

    ``classes(*values of a case)`` names what a case stands for, such as ``("vendor", "amocrm")``. Cases that bring several new
    classes at once are preferred, so few of them stay.
    """
    listed = list(cases)
    stands_for = [set(classes(*case.values)) for case in listed]
    wanted: set[Hashable] = set().union(*stands_for)
    chosen: set[int] = set()
    while wanted:
        best = max(range(len(listed)), key=lambda index: (len(stands_for[index] & wanted), -index))
        chosen.add(best)
        wanted -= stands_for[best]
    return [case if index in chosen else _dear(case) for index, case in enumerate(listed)]


def _dear(case: ParameterSet) -> ParameterSet:
    marks: list[Any] = [*case.marks, pytest.mark.assurance]
    return pytest.param(*case.values, id=case.id, marks=marks)
