"""What a call costs and whether it may still be made.

Prices are US dollars per million tokens (input, output) from the vendors' public price pages, 2026-10; they are
here so that a cap works without asking anybody. A model that is not listed: a server on the loopback is the
operator's own and costs nothing, a remote one is counted at :data:`CAUTIOUS`, and the note says that it is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

Price = tuple[float, float]

PRICES: dict[str, Price] = {
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-4o": (2.50, 10.00),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
    "gpt-5": (1.25, 10.00),
    "gpt-5-mini": (0.25, 2.00),
    "gpt-5-nano": (0.05, 0.40),
    "gemini-2.5-pro": (1.25, 10.00),
    "gemini-2.5-flash": (0.30, 2.50),
    "gemini-2.5-flash-lite": (0.10, 0.40),
    "gemini-2.0-flash": (0.10, 0.40),
    "claude-sonnet-4": (3.00, 15.00),
    "claude-haiku-4.5": (1.00, 5.00),
    "deepseek-chat": (0.28, 0.42),
    # the simulated provider of the demo: a price, so that cost and caps can be seen at work
    "sandbox-reader": (0.15, 0.60),
}
CAUTIOUS: Price = (3.00, 15.00)

#: one call: a dialog part is cut far below this, so more means something went wrong
CALL_TOKENS = 40_000
#: one report, unless the month has less left
REPORT_USD = Decimal("5")


def price_of(model: str, is_loopback: bool) -> tuple[Price, str]:
    """Dollars per million tokens and a note for the operator, empty when the model is listed."""
    name = model.removeprefix("models/").rpartition("/")[2].split(":")[0]
    for known in sorted(PRICES, key=len, reverse=True):
        # dated versions: gpt-4o-mini-2024-07-18
        if name == known or name.startswith((f"{known}-20", f"{known}-preview", f"{known}-latest", f"{known}-0")):
            return PRICES[known], ""
    if is_loopback:
        return (0.0, 0.0), f"Цена модели {model} неизвестна: сервер местный, расход считается нулевым."
    return CAUTIOUS, f"Цена модели {model} неизвестна: расход посчитан по верхней оценке."


def estimate_tokens(text: str) -> int:
    """Tokens of a text before sending: 2.5 characters of Russian a token (measured 2.3–3.2 on chats), 4 of ASCII."""
    ascii_chars = sum(1 for char in text if char < "\x80")
    return ceil((len(text) - ascii_chars) / 2.5 + ascii_chars / 3.5)


def cost(price: Price, tokens_in: int, tokens_out: int) -> Decimal:
    """Dollars, to the millionth (the precision of the journal)."""
    value = (Decimal(str(price[0])) * tokens_in + Decimal(str(price[1])) * tokens_out) / 1_000_000
    return value.quantize(Decimal("0.000001"))


@dataclass
class Budget:
    """The money of one report. Reserves before sending, so parallel calls cannot overshoot together."""

    price: Price
    month_left: Decimal | None = None
    report_left: Decimal = REPORT_USD
    reserved: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)

    def reserve(self, tokens_in: int, max_tokens_out: int) -> Decimal | None:
        """The worst cost of the call, set aside; None when a cap does not allow it."""
        if tokens_in > CALL_TOKENS:
            return None
        worst = cost(self.price, tokens_in, max_tokens_out)
        taken = self.spent + self.reserved + worst
        if taken > self.report_left or (self.month_left is not None and taken > self.month_left):
            return None
        if self.month_left is not None and self.month_left <= 0:
            return None
        self.reserved += worst
        return worst

    def settle(self, reserved: Decimal, actual: Decimal) -> None:
        """Replace the reserve by what the provider reported."""
        self.reserved -= reserved
        self.spent += actual
