"""What a model costs: the shipped table ``prices.toml``, the operator's file over it, and a clear answer for the rest.

A model nobody lists: a server on the loopback is the operator's own and costs nothing; a remote one is counted at
:data:`CAUTIOUS`, above what common models cost, so that a cap holds, and the note says how to put the real price in.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import ceil
from pathlib import Path

from synkro.core.errors import ConfigurationError

_SHIPPED = Path(__file__).with_name("prices.toml")
_EXAMPLE = '"имя-модели" = { input = 0.15, output = 0.60 }'


@dataclass(frozen=True)
class Price:
    """US dollars per million tokens."""

    input: Decimal
    output: Decimal


FREE = Price(Decimal(0), Decimal(0))
CAUTIOUS = Price(Decimal(15), Decimal(75))


@lru_cache(maxsize=8)
def table(extra: Path | None = None) -> dict[str, Price]:
    """Model → price; raises :class:`ConfigurationError` naming the file, the model and the cure."""
    found = _read(_SHIPPED)
    return {**found, **_read(extra)} if extra is not None else found


def _read(path: Path) -> dict[str, Price]:
    try:
        with path.open("rb") as file:
            models = tomllib.load(file, parse_float=Decimal).get("models", {})
    except OSError as error:
        raise ConfigurationError(f"SYNKRO_AI_PRICES: файл {path} не читается ({error.strerror}).") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"SYNKRO_AI_PRICES: файл {path} — не TOML ({error}). Пример: {_EXAMPLE}") from None
    prices = {}
    for name, row in models.items() if isinstance(models, dict) else ():
        values = [row.get(key) for key in ("input", "output")] if isinstance(row, dict) else [None]
        if not all(isinstance(v, Decimal | int) and not isinstance(v, bool) and 0 <= v < 100_000 for v in values):
            raise ConfigurationError(f"SYNKRO_AI_PRICES: у модели «{name}» в {path} неверная цена. Пример: {_EXAMPLE}")
        prices[str(name)] = Price(*(Decimal(v) for v in values if v is not None))
    return prices


def price_of(model: str, is_loopback: bool, extra: Path | None = None) -> tuple[Price, str]:
    """The price and a note for the operator, empty when the model is listed."""
    known = table(extra)
    name = model.removeprefix("models/").rpartition("/")[2].split(":")[0]
    for listed in (model, *sorted(known, key=len, reverse=True)):
        # dated versions: gpt-4o-mini-2024-07-18
        if listed in known and (
            listed in (model, name)
            or name.startswith((f"{listed}-20", f"{listed}-preview", f"{listed}-latest", f"{listed}-0"))
        ):
            return known[listed], ""
    if is_loopback:
        return FREE, f"Цена модели {model} неизвестна: сервер местный, расход считается нулевым."
    return CAUTIOUS, (
        f"Цена модели {model} неизвестна: расход посчитан по верхней оценке, {CAUTIOUS.input} и {CAUTIOUS.output} $"
        " за миллион токенов. Впишите цену в файл SYNKRO_AI_PRICES."
    )


def estimate_tokens(text: str) -> int:
    """Tokens of a text before sending: 2.5 characters of Russian a token (measured 2.3–3.2 on chats), 3.5 of ASCII."""
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ceil((len(text) - ascii_chars) / 2.5 + ascii_chars / 3.5)


def cost(price: Price, tokens_in: int, tokens_out: int) -> Decimal:
    """Dollars, to the millionth (the precision of the journal)."""
    return ((price.input * tokens_in + price.output * tokens_out) / 1_000_000).quantize(Decimal("0.000001"))
