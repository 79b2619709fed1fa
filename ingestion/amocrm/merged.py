"""Deals merged into others: the loser's id leaves every list, the recycle bin too, and the log alone tells of it.

What ``entity_merged`` says of the two is not documented well enough to be believed (vendors/amocrm.md §4.10), so every
id it names is asked for, and a deal the account does not show any more is gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ingestion.amocrm import paginator

MERGED = "entity_merged"
#: deals in one request
_IDS = 50


def is_merge(event: Any) -> bool:
    return isinstance(event, dict) and event.get("type") == MERGED


def merged_ids(get: paginator.Get, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The merges of deals among the events, once for each deal that is gone, its id as ``entity_id``.

    Nothing for an account whose tariff ignores filters: which of the two stayed cannot be asked there.
    """
    named = {id: event for event in events if event.get("entity_type") == "lead" for id in _named(event)}
    gone: list[dict[str, Any]] = []
    try:
        for first in range(0, len(named), _IDS):
            ids = list(named)[first : first + _IDS]
            living = {row.get("id") for row in paginator.by_ids(get, "/api/v4/leads", "leads", {}, ids)}
            gone += [{**named[id], "entity_id": id} for id in ids if id not in living]
    except paginator.FilterIgnored:
        return []
    return gone


def _named(event: dict[str, Any]) -> Iterator[int]:
    """Every id in the event's values, however deep, and the entity's own."""
    rest: list[Any] = [{"id": event.get("entity_id")}, event.get("value_before"), event.get("value_after")]
    while rest:
        one = rest.pop()
        if isinstance(one, list):
            rest += one
        elif isinstance(one, dict):
            id = one.get("id")
            if isinstance(id, int) and not isinstance(id, bool):
                yield id
            rest += [value for value in one.values() if isinstance(value, dict | list)]
