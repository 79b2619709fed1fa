"""May a call still be made: caps per call, report, company-day, company-month and installation-day, checked before sending.

:class:`Budget` is the money of one report. What is shared with other runs and processes is asked of a :class:`Ledger`:
Postgres in the product (:class:`DatabaseLedger`), a list in the harness. A call is reserved at its worst cost and settled
at its real one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from uuid import UUID

from analysis.llm.prices import Price, cost
from synkro.core.errors import ConfigurationError, PermanentError
from synkro.core.settings import Settings
from synkro.database import db
from synkro.reporting import spending
from synkro.reporting.spending import OVER, Caps, Sent, Settled

#: one call: a dialog part is cut far below this, so more means something went wrong
CALL_TOKENS = 40_000


class BudgetExceeded(PermanentError):
    """A cap does not allow this call; nothing was sent. ``over``: a key of ``spending.OVER``."""

    kind = "budget"

    def __init__(self, over: str) -> None:
        super().__init__(f"{OVER[over][0].upper()}{OVER[over][1:]}.")
        self.over = over


class Ledger(Protocol):
    """What all runs share: the sums and the journal."""

    def reserve(self, call: Sent, caps: Caps) -> tuple[UUID | None, str]: ...
    def settle(self, call_id: UUID, result: Settled) -> None: ...
    def refused(self, call: Sent, over: str) -> None: ...


@dataclass(frozen=True)
class DatabaseLedger:
    """The tenant's page of ``synkro.ai_calls``; each step its own short transaction."""

    tenant_id: UUID
    run_id: UUID | None

    def reserve(self, call: Sent, caps: Caps) -> tuple[UUID | None, str]:
        with db.as_service("ai reserve") as connection:
            return spending.reserve(connection, self.tenant_id, self.run_id, call, caps)

    def settle(self, call_id: UUID, result: Settled) -> None:
        # forgotten, it would stay at its reserve, the dearer of the two
        with db.as_service("ai settle", is_durable=False) as connection:
            spending.settle(connection, self.tenant_id, call_id, result)

    def refused(self, call: Sent, over: str) -> None:
        with db.as_service("ai refused") as connection:
            spending.refused(connection, self.tenant_id, self.run_id, call, over)


@dataclass(frozen=True)
class Held:
    """A reserved call: pass it to :meth:`Budget.settle`, whatever came of it."""

    call_id: UUID
    worst: Decimal


@dataclass
class Budget:
    """The money of one report."""

    price: Price
    caps: Caps
    ledger: Ledger
    #: spent on this report before this budget was opened: other steps, an earlier try of the run
    before: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)

    def hold(self, purpose: str, model: str, prompt: str, tokens_in: int, max_tokens_out: int) -> Held | None:
        """Set the worst cost aside; None: too many calls of the company on the way, ask again in a moment.

        Raises :class:`BudgetExceeded`; the refusal is journalled.
        """
        worst = cost(self.price, tokens_in, max_tokens_out)
        call = Sent(purpose, model, hashlib.sha256(prompt.encode()).hexdigest(), len(prompt), worst)
        over = ""
        if tokens_in > CALL_TOKENS or worst > self.caps.call:
            over = "call"
        elif self.before + self.spent + self.reserved + worst > self.caps.report:
            over = "report"
        if over:
            self.ledger.refused(call, over)
            raise BudgetExceeded(over)
        call_id, over = self.ledger.reserve(call, self.caps)
        if over == "busy":
            return None
        if call_id is None:
            raise BudgetExceeded(over)
        self.reserved += worst
        return Held(call_id, worst)

    def settle(self, held: Held, result: Settled) -> None:
        """Replace the reserve by what the call cost."""
        self.reserved -= held.worst
        self.spent += result.cost_usd
        self.ledger.settle(held.call_id, result)


def caps_of(public: Mapping[str, Any], settings: Settings) -> Caps:
    """The operator's caps, and the company's own where they are lower.

    Raises :class:`ConfigurationError` naming the field of the AI integration that is not a sum of money.
    """
    day = _sum(public, "daily_cap_usd")
    return Caps(
        call=settings.ai_call_cap_usd,
        report=settings.ai_report_cap_usd,
        tenant_day=settings.ai_tenant_day_cap_usd if day is None else min(day, settings.ai_tenant_day_cap_usd),
        installation_day=settings.ai_day_cap_usd,
        tenant_month=_sum(public, "monthly_cap_usd"),
    )


def _sum(public: Mapping[str, Any], field: str) -> Decimal | None:
    value = public.get(field)
    if value in (None, ""):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal(-1)
    if not (found.is_finite() and 0 <= found < 1_000_000_000):
        raise ConfigurationError(f"Поле «{field}»: укажите сумму в долларах, например 20.")
    return found
