"""What stands beside a number; its own name is the registry's (``synkro/metrics``)."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "number.small": "мало данных",
    "number.usual": "обычно {value}",
    "number.usual_of": "обычно {value} ({of})",
    "number.previous": "неделей раньше {value}",
    "number.previous_month": "месяцем раньше {value}",
    "usual.weekdays": "по {n}\u00a0{day}",
    "usual.weeks": "по {n}\u00a0неделям",
    "usual.stretches": "по {n}\u00a0таким же периодам",
    "usual.working_days": "по {n} до этого",
    "plural.working_days_of": "рабочему дню|рабочим дням|рабочим дням",
    "words.weekdays_of": "понедельникам|вторникам|средам|четвергам|пятницам|субботам|воскресеньям",
}
