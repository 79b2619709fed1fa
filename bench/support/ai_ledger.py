"""A ledger of AI calls without a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID, uuid4

from synkro.reporting.spending import Caps, Sent, Settled


@dataclass
class Notebook:
    """Everything is allowed that the report's own cap allows."""

    settled: list[Settled] = field(default_factory=list)

    def reserve(self, call: Sent, caps: Caps) -> tuple[UUID | None, str]:
        return uuid4(), ""

    def settle(self, call_id: UUID, result: Settled) -> None:
        self.settled.append(result)

    def refused(self, call: Sent, over: str) -> None:
        print(f"not sent: {over}")
