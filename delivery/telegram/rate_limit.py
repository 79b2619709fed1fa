"""How fast one bot may write to one chat: rows in Postgres, shared by every sender and the bot.

Telegram's published limits: one message a second in a chat, twenty a minute in a group, thirty a second over all
chats. A 429 makes the chat wait, not the bot: other chats of the same bot go on.
"""

from __future__ import annotations

import math

from synkro.database import db
from synkro.http.ratelimit import Check, CompositeLimiter, PostgresLimiter

PER_SECOND_CHAT = 1.0
#: twenty a minute, evenly spaced
PER_SECOND_GROUP = 20 / 60
PER_SECOND_BOT = 25.0


class ChatPace:
    """The pace of one chat inside the pace of its bot; a block concerns the chat alone."""

    def __init__(self, bot_id: str, chat: str) -> None:
        # groups, supergroups and channels have negative ids or names
        per_second = PER_SECOND_CHAT if chat.isdigit() else PER_SECOND_GROUP
        self._chat = PostgresLimiter(lambda: db.as_service("limiter"), f"telegram:{bot_id}:{chat}", per_second)
        self._both = CompositeLimiter(self._chat, bot_pace(bot_id))

    def acquire(self, *, check: Check | None = None, max_wait: float = math.inf) -> float:
        return self._both.acquire(check=check, max_wait=max_wait)

    def block(self, seconds: float) -> None:
        self._chat.block(seconds)

    def block_until_operator(self, reason: str) -> None:
        self._chat.block_until_operator(reason)

    def unblock(self) -> None:
        self._chat.unblock()


def bot_pace(bot_id: str) -> PostgresLimiter:
    return PostgresLimiter(lambda: db.as_service("limiter"), f"telegram:{bot_id}", PER_SECOND_BOT)
