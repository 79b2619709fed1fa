"""The deck: which plays a company lives through and how often.

Every trait the metrics must cope with has a play of its own, dealt round by round, so that none of them depends on
luck: ``tests/sandbox/test_company.py`` names them one by one.
"""

from __future__ import annotations

from collections.abc import Callable

from sandbox import edges, plays
from sandbox.story import Story

#: how many of each in a round; the rounds are shuffled, never drawn by luck
DECK: dict[str, tuple[int, Callable[[Story], None]]] = {
    "sale": (13, plays.sale),
    "forgotten": (3, plays.forgotten),
    "two_channels": (2, edges.two_channels),
    "answered_by_call": (2, plays.answered_by_call),
    "by_phone_only": (3, edges.by_phone_only),
    "we_write_first": (2, plays.we_write_first),
    "complaint": (2, plays.complaint),
    "no_deal": (2, edges.no_deal),
    "stranger": (1, edges.stranger),
    "hidden_number": (1, edges.hidden_number),
    "two_cards": (1, edges.two_cards),
    "two_dialogs": (1, edges.two_dialogs),
    "two_deals": (1, edges.two_deals),
    "comes_back": (2, plays.comes_back),
    "broken_promise": (1, plays.broken_promise),
    "missed_call": (1, plays.missed_call),
    "card_only": (1, edges.card_only),
    "binned": (1, edges.binned),
}
ROUND = tuple(name for name, (count, _) in DECK.items() for _ in range(count))
