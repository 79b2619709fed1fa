"""What is written from the registry: the tables of docs/metrics.md, the columns of the period marts' YAML, MetricFlow's models.

Each function takes the text of a file and gives the text as it should be, so that a test compares and a command writes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from synkro.metrics import semantic
from synkro.metrics.metric import UNIT_NAMES, Metric
from synkro.metrics.registry import TABLES
from synkro.metrics.row_sets import EDGE, NAMED, ROW_SETS, WAITS

_BETTER = {"more": "больше", "less": "меньше", "": "—"}
#: what the type of a column does not say
_OF_UNIT = {
    "minutes": "minutes; null of nothing",
    "share": "a share 0..1; null of nothing",
    "money": "in the account's currency",
}


# --- docs/metrics.md -----------------------------------------------------------------------------------------------


def table(metrics: dict[str, Metric]) -> str:
    lines = [
        "| столбец | название | что это | единица | лучше | из скольких | строки | условие | итог |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in metrics.values():
        cells = (
            f"`{one.column}`",
            one.label_ru + (f"; коротко «{one.short_ru}»" if one.short_ru else ""),
            one.ru,
            UNIT_NAMES[one.unit][0],
            _BETTER[one.better],
            f"`{one.denominator}`" if one.denominator else "—",
            f"`{one.row_set}`",
            f"`{_named(one.where)}`",
            f"`{one.value}`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def statements() -> str:
    """What the tables refer to: the row sets and the conditions that have a name."""
    sets = {"edge": EDGE, "waits": WAITS} | {name: sql for name, sql in ROW_SETS.items() if name != "waits"}
    return "```sql\n" + "\n\n".join(f"-- {name}\n{sql}" for name, sql in (sets | NAMED).items()) + "\n```"


def _named(condition: str) -> str:
    for name, sql in NAMED.items():
        condition = condition.replace(sql, name)
    return condition


def documentation(text: str) -> str:
    """docs/metrics.md with its tables and statements as the registry has them."""
    for name, metrics in TABLES.items():
        text = _replaced(rf"(?<=`marts\.{name}`\n\n)\|.*?\n(?=\n)", table(metrics) + "\n", text)
    return _replaced(r"```sql\n-- edge\n.*?\n```", statements(), text)


# --- transforms/models/marts/*.yml ----------------------------------------------------------------------------------


def columns(metrics: dict[str, Metric]) -> str:
    """The ``columns`` of a mart's contract."""
    lines = []
    for one in metrics.values():
        about = one.en.rstrip(".") + (f" ({_OF_UNIT[one.unit]})" if one.unit in _OF_UNIT else "")
        lines += [
            f"      - name: {one.column}",
            f"        data_type: {one.sql_type}",
            "        description: '" + about.replace("'", "''") + "'",
        ]
        if not one.is_nullable:
            lines.append("        constraints: [{type: not_null}]")
        tests = ("share",) * (one.unit == "share") + one.tests
        lines += ["        data_tests:"] * bool(tests) + [f"          - {test}" for test in tests]
    return "\n".join(lines)


def contract(name: str, text: str) -> str:
    """A period mart's YAML with its columns as the registry has them; the tests below them stay."""
    return _replaced(r"(?<=    columns:\n).*?\n(?=\nunit_tests:)", columns(TABLES[name]) + "\n", text)


def _replaced(pattern: str, new: str, text: str) -> str:
    found, n = re.subn(pattern, lambda _: new, text, count=1, flags=re.S)
    if n != 1:
        raise ValueError(f"nothing like {pattern!r} stands in the text")
    return found


#: every file that is generated, in part or whole, below the root of the project
FILES: dict[str, Callable[[str], str]] = {
    "docs/metrics.md": documentation,
    **{f"transforms/models/marts/{name}.yml": partial(contract, name) for name in TABLES},
    "transforms/semantic/metrics.yml": lambda _: semantic.models(),
}
