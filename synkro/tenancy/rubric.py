"""By what a manager's work in a dialog is scored: criteria with weights, kept as lines of text a person edits.

A line is ``Название: вес`` or ``Название: вес: что считать``. A weight is a whole number from 1 to 10; a score of a
criterion is 0 (no), 1 (partly) or 2 (yes).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from synkro.core.errors import DataError

_MOST = 12
_NAME = re.compile(r"[^\W\d_][\w «»(),/-]{1,58}[\w»)]")


@dataclass(frozen=True)
class Criterion:
    """``hint``: what earns the score, in the administrator's words; may be empty."""

    name: str
    weight: int
    hint: str = ""

    @property
    def line(self) -> str:
        return f"{self.name}: {self.weight}" + (f": {self.hint}" if self.hint else "")


#: the rubric of a tenant that has none of its own
DEFAULT: tuple[Criterion, ...] = (
    Criterion("Приветствие", 1, "здоровается или представляется"),
    Criterion("Выяснение потребности", 2, "спрашивает, что нужно клиенту: размер, срок, бюджет"),
    Criterion("Полный ответ", 3, "отвечает на то, о чём спросили, по существу"),
    Criterion("Следующий шаг", 2, "называет, что и когда будет дальше"),
    Criterion("Вежливость", 3, "не грубит и не отмахивается"),
)


def of(lines: Sequence[str]) -> tuple[Criterion, ...]:
    """The rubric of these lines, :data:`DEFAULT` for none; raises :class:`DataError` naming the line and the cure."""
    found: dict[str, Criterion] = {}
    for line in lines:
        name, _, rest = (part.strip() for part in line.partition(":"))
        weight, _, hint = (part.strip() for part in rest.partition(":"))
        if not _NAME.fullmatch(name) or name.lower() in found:
            raise DataError(f"quality_rubric: «{line[:60]}» — нужно новое название буквами. Пример: {DEFAULT[1].line}")
        if not weight.isdecimal() or not 1 <= int(weight) <= 10:
            raise DataError(f"quality_rubric: «{line[:60]}» — нужен вес от 1 до 10. Пример: {DEFAULT[1].line}")
        if len(hint) > 200 or not hint.isprintable() or set(hint) & set("`<>{}"):
            raise DataError(f"quality_rubric: «{name}» — пояснение должно быть текстом до 200 знаков, без разметки.")
        found[name.lower()] = Criterion(name, int(weight), hint)
    if len(found) > _MOST:
        raise DataError(f"quality_rubric: критериев {len(found)}, можно не больше {_MOST}. Уберите лишние.")
    return tuple(found.values()) or DEFAULT


def parse(value: object) -> list[str]:
    """Lines as stored, from a form's text (one criterion a line) or a list; an empty value is the default rubric."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list):
        raise DataError(f"quality_rubric: укажите критерии по одному в строке. Пример: {DEFAULT[1].line}")
    kept = [" ".join(str(line).split()) for line in lines if str(line).strip()]
    found = [one.line for one in of(kept)] if kept else []
    # the default written out is still the default: it follows the product when the product changes it
    return [] if found == [one.line for one in DEFAULT] else found
