"""What is known of one number: its definition, the rows behind it, how they make it, and how it is shown.

Whoever shows a number reads this: pages, Telegram, answers to questions, exports, the documentation, the columns of the
marts. ``tests/synkro/metrics/test_registry.py`` fails when one of these facts is written anywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from synkro.connectors.connector import Capability
from synkro.metrics.row_sets import EDGE, ROW_SETS, WAITS

#: how a value is written; moment, flag and text are attributes of the window rather than numbers
Unit = Literal["count", "minutes", "share", "money", "moment", "flag", "text"]
NUMERIC: frozenset[Unit] = frozenset({"count", "minutes", "share", "money"})
#: the unit's name: Russian, English
UNIT_NAMES: dict[Unit, tuple[str, str]] = {
    "count": ("шт.", "count"),
    "minutes": ("мин", "min"),
    "share": ("доля 0..1", "share 0..1"),
    "money": ("валюта CRM", "currency of the CRM"),
    "moment": ("момент", "moment"),
    "flag": ("да/нет", "yes or no"),
    "text": ("текст", "text"),
}
_DATA_TYPES: dict[Unit, str] = {
    "count": "integer",
    "minutes": "numeric(14,2)",
    "share": "numeric(7,4)",
    "money": "numeric(18,2)",
    "moment": "timestamp with time zone",
    "flag": "boolean",
    "text": "text",
}
#: below this many cases no percentage and no ranking is shown (docs/metrics.md)
SMALL_N = 10


@dataclass(frozen=True)
class Metric:
    """One column of a period mart. ``where`` picks rows ``r`` of ``row_set``, ``value`` is an aggregate over them: the
    column, to the last digit."""

    column: str
    unit: Unit
    row_set: str
    where: str
    value: str
    #: the definition
    ru: str
    en: str
    label_ru: str
    label_en: str
    #: the label where there is little room: a line of the message, a column of a table; empty: the same as the label
    short_ru: str = ""
    short_en: str = ""
    #: which way is good; empty: neither
    better: Literal["more", "less", ""] = ""
    #: the column with the number of cases behind it
    denominator: str = ""
    #: its place among the numbers of a report; None: a report does not list it
    place: int | None = None
    #: a manager's: the company's metrics that a question about one manager means by it
    answers: tuple[str, ...] = ()
    #: how people ask for it, a pattern over folded text; ``asked_place``: the narrower question is tried first
    asked: str = ""
    asked_place: int = 0
    #: the column's type where the unit does not say it
    data_type: str = ""
    #: dbt's tests of the column besides those of its unit
    tests: tuple[str, ...] = ()

    @property
    def is_number(self) -> bool:
        return self.unit in NUMERIC

    @property
    def is_nullable(self) -> bool:
        """Of nothing there is no median, no share and no mean; a count and a sum of nothing are zero."""
        return self.unit in ("minutes", "share") or (self.unit == "money" and bool(self.denominator))

    @property
    def made_of(self) -> Capability:
        """What a connector has to bring for it."""
        return Capability.DEALS if self.row_set in ("deals", "deals_by_channel") else Capability.DIALOGS

    @property
    def needs(self) -> tuple[Capability, ...]:
        """All that has to be read for it: money at risk is of deals and of the waits of their clients."""
        both = ("from waits", "match_status", "author_source")
        is_both = any(word in f"{self.where} {self.value}" for word in both)
        return (Capability.DEALS, Capability.DIALOGS) if is_both else (self.made_of,)

    @property
    def sql_type(self) -> str:
        return self.data_type or _DATA_TYPES[self.unit]

    def label(self, language: str) -> str:
        return self.label_ru if language == "ru" else self.label_en

    def short_label(self, language: str) -> str:
        return (self.short_ru if language == "ru" else self.short_en) or self.label(language)

    def definition(self, language: str) -> str:
        return self.ru if language == "ru" else self.en

    def is_too_few(self, cases: float | int | None) -> bool:
        """A share of this many cases says nothing; a median is shown, with its cases where there is room."""
        return self.unit == "share" and cases is not None and cases < SMALL_N

    def is_good(self, direction: str) -> bool | None:
        """Whether ``up`` or ``down`` is the good way; None where neither is, and for a number that stayed."""
        if not self.better or direction not in ("up", "down"):
            return None
        return (direction == "up") == (self.better == "more")

    def digits(self, value: float) -> int:
        """Decimals of the value as people see it: a count is whole, but what is usual may lie between two."""
        return 1 if self.unit == "count" and not float(value).is_integer() else 0

    def rows(self) -> str:
        """``with edge …, rows …``: to be followed by a SELECT from ``rows``."""
        return (
            f"with edge as (\n{EDGE}\n), waits as (\n{WAITS}\n), rows as (\n"
            f"select r.* from (\n{ROW_SETS[self.row_set]}\n) r\nwhere {self.where}\n)\n"
        )

    def rows_sql(self) -> str:
        return self.rows() + "select * from rows"

    def value_sql(self) -> str:
        """One row, one column ``value``."""
        return self.rows() + f"select {self.value} as value from rows r"


COUNT = "count(*)::integer"
AMOUNT = "coalesce(sum(r.price), 0)"
#: of the deals with a price
AVERAGE = "round(sum(r.price) / nullif(count(*), 0), 2)"


def percentile(share: str) -> str:
    """Of the minutes as the rows show them; the noise of floating point goes first."""
    exact = f"percentile_cont({share}) within group (order by r.response_minutes)"
    return f"round(round(({exact})::numeric, 6), 2)"


def share_of(condition: str) -> str:
    """Of the rows; null of none."""
    return f"round(count(*) filter (where {condition})::numeric / nullif(count(*), 0), 4)"


P50, P90 = percentile("0.5"), percentile("0.9")
#: answered in time of all that were answered or are late
WITHIN = share_of("r.is_answered and not r.is_breached")


def the_one(column: str) -> str:
    """The value of the only row."""
    return f"(array_agg(r.{column}))[1]"


#: what every mart of a window begins with
WINDOW = (
    Metric(
        "tenant_id", "text", "windows", "true", the_one("tenant_id"),
        ru="Компания.",
        en="The company.",
        label_ru="Компания", label_en="Company",
        data_type="uuid",
    ),
    Metric(
        "window_start", "moment", "windows", "true", the_one("window_start"),
        ru="Начало окна, входит в него.",
        en="Start of the window, inclusive.",
        label_ru="Начало окна", label_en="Start of the window",
    ),
    Metric(
        "window_end", "moment", "windows", "true", the_one("window_end"),
        ru="Конец окна, в него не входит.",
        en="End of the window, exclusive.",
        label_ru="Конец окна", label_en="End of the window",
    ),
)  # fmt: skip
