"""What stands beside a number; its own name is the registry's (``synkro/metrics``)."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "number.small": "too few",
    "number.usual": "usually {value}",
    "number.usual_of": "usually {value} ({of})",
    "number.previous": "a week before {value}",
    "number.previous_month": "a month before {value}",
    "usual.weekdays": "over {n}\u00a0{day}",
    "usual.weeks": "over {n}\u00a0weeks",
    "usual.stretches": "over {n}\u00a0such periods",
    "usual.working_days": "over the {n} before",
    "plural.working_days_of": "working day|working days",
    "words.weekdays_of": "Mondays|Tuesdays|Wednesdays|Thursdays|Fridays|Saturdays|Sundays",
}
