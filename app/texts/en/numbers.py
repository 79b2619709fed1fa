"""What stands beside a number; its own name is the registry's (``synkro/metrics``)."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "number.small": "too few",
    "number.usual": "usually {value}",
}
