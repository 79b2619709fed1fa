"""The mix: which scenarios a company lives through and how often.

Every trait the metrics must cope with has a play of its own, dealt round by round, so that none of them depends on
luck: ``tests/sandbox/test_company.py`` names them one by one.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox.company import edge_cases, scenarios
from sandbox.company.story import Story

#: how many of each in a round; the rounds are shuffled, never drawn by luck
MIX: dict[str, tuple[int, Callable[[Story], None]]] = {
    "sale": (13, scenarios.sale),
    "forgotten": (3, scenarios.forgotten),
    "two_channels": (2, edge_cases.two_channels),
    "answered_by_call": (2, scenarios.answered_by_call),
    "by_phone_only": (3, edge_cases.by_phone_only),
    "we_write_first": (2, scenarios.we_write_first),
    "complaint": (2, scenarios.complaint),
    "no_deal": (2, edge_cases.no_deal),
    "stranger": (1, edge_cases.stranger),
    "hidden_number": (1, edge_cases.hidden_number),
    "two_cards": (1, edge_cases.two_cards),
    "two_dialogs": (1, edge_cases.two_dialogs),
    "two_deals": (1, edge_cases.two_deals),
    "comes_back": (2, scenarios.comes_back),
    "broken_promise": (1, scenarios.broken_promise),
    "missed_call": (1, scenarios.missed_call),
    "card_only": (1, edge_cases.card_only),
    "binned": (1, edge_cases.binned),
}
ROUND = tuple(name for name, (count, _) in MIX.items() for _ in range(count))
