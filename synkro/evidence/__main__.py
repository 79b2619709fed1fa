"""``python -m synkro.evidence``: the registry as docs/metrics.md has it. A test compares the two."""

from __future__ import annotations

import sys

from synkro.evidence import MANAGERS, SUMMARY, Entry
from synkro.evidence.kinds import EDGE, KINDS, NAMED, WAITS

_UNITS = {
    "count": "шт.", "minutes": "мин", "share": "доля 0..1", "money": "валюта CRM", "moment": "момент", "flag": "да/нет", "text": "текст",
}  # fmt: skip


def table(registry: dict[str, Entry]) -> str:
    lines = ["| столбец | что это | единица | строки | условие | итог |", "|---|---|---|---|---|---|"]
    for one in registry.values():
        cells = (
            f"`{one.column}`",
            one.ru,
            _UNITS[one.unit],
            f"`{one.kind}`",
            f"`{_named(one.where)}`",
            f"`{one.value}`",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def statements() -> str:
    """What the tables refer to: the rows of each kind and the conditions that have a name."""
    kinds = {"edge": EDGE, "waits": WAITS} | {name: sql for name, sql in KINDS.items() if name != "waits"}
    return "```sql\n" + "\n\n".join(f"-- {name}\n{sql}" for name, sql in (kinds | NAMED).items()) + "\n```"


def _named(condition: str) -> str:
    for name, sql in NAMED.items():
        condition = condition.replace(sql, name)
    return condition


if __name__ == "__main__":
    sys.stdout.write("\n\n".join((table(SUMMARY), table(MANAGERS), statements())) + "\n")
