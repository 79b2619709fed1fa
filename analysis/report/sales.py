"""«Продажи по менеджерам»: what each manager's deals brought in the window, the largest sum first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.reading.normalisation import shown
from analysis.report.inputs import Facts
from synkro.core import russian


def build(facts: Facts) -> list[dict[str, Any]] | None:
    """Managers with a deal closed in the window; None for a company without deals."""
    if not facts.has_deals:
        return None
    rows = [
        {
            "manager_id": row["manager_id"],
            "name": shown(str(row["name"]), 80),
            "won": int(row.get("deals_won") or 0),
            "amount": row.get("deals_won_amount") or 0,
            "lost": int(row.get("deals_lost") or 0),
        }
        for row in facts.managers
    ]
    closed = [row for row in rows if row["won"] or row["lost"]]
    return sorted(closed, key=lambda row: (-row["amount"], -row["won"], row["name"], str(row["manager_id"])))


def words(row: Mapping[str, Any], currency: str | None) -> str:
    """«2 продажи на 870 000 ₸, потеряно 1»."""
    parts = []
    if row["won"]:
        parts.append(russian.count(row["won"], "продажа", "продажи", "продаж"))
        if row["amount"]:
            parts[0] += f" на {russian.money(row['amount'], currency)}"
    if row["lost"]:
        parts.append(f"потеряно {russian.number(row['lost'])}")
    return ", ".join(parts)
