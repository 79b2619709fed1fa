"""What is known of one number: its definition, the rows behind it, and how they make it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synkro.evidence.kinds import EDGE, KINDS, WAITS

#: how a value is written; moment, flag and text are attributes of the window rather than numbers
Unit = Literal["count", "minutes", "share", "money", "moment", "flag", "text"]
NUMERIC: frozenset[Unit] = frozenset({"count", "minutes", "share", "money"})


@dataclass(frozen=True)
class Entry:
    """``where`` picks rows ``r`` of ``kind``, ``value`` is an aggregate over them: the column, to the last digit."""

    column: str
    unit: Unit
    kind: str
    where: str
    value: str
    ru: str
    en: str

    @property
    def is_number(self) -> bool:
        return self.unit in NUMERIC

    def rows(self) -> str:
        """``with edge …, rows …``: to be followed by a SELECT from ``rows``."""
        return (
            f"with edge as (\n{EDGE}\n), waits as (\n{WAITS}\n), rows as (\n"
            f"select r.* from (\n{KINDS[self.kind]}\n) r\nwhere {self.where}\n)\n"
        )

    def rows_sql(self) -> str:
        return self.rows() + "select * from rows"

    def value_sql(self) -> str:
        """One row, one column ``value``."""
        return self.rows() + f"select {self.value} as value from rows r"


COUNT = "count(*)::integer"
AMOUNT = "coalesce(sum(r.price), 0)"


def percentile(share: str) -> str:
    """Of the minutes as the rows show them; the noise of floating point goes first."""
    exact = f"percentile_cont({share}) within group (order by r.response_minutes)"
    return f"round(round(({exact})::numeric, 6), 2)"


P50, P90 = percentile("0.5"), percentile("0.9")
#: answered in time of all that were answered or are late
WITHIN = "round(count(*) filter (where r.is_answered and not r.is_breached)::numeric / nullif(count(*), 0), 4)"


def the_one(column: str) -> str:
    """The value of the only row."""
    return f"(array_agg(r.{column}))[1]"


def of_window(column: str, unit: Unit, ru: str, en: str) -> Entry:
    """An attribute of the window itself, from the control plane's row."""
    return Entry(column, unit, "windows", "true", the_one(column), ru, en)
