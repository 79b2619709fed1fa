"""What leaves towards a model: ``python -m bench.masking [--misses] [--unseen]``.

Texts with their personal data labelled (``bench/corpus/masking``, ru, kk, mixed, translit). ``seen`` and ``other``, of
another hand, are what the patterns are made on; ``unseen`` is only ever counted, nobody reads its misses. Printed by kind of data: recall, the share of personal values of
which nothing is left, and precision, the share of hidden spans that are personal. ``--misses`` prints those of the first two.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analysis.llm.masking import Mask
from analysis.reading.normalisation import visible

FOLDER = Path(__file__).parent / "corpus" / "masking"
#: of a value's letters and digits: the ending of a declined name or «д.» may stay
_COVERED = 0.9
_PLACEHOLDER = re.compile(r"⟦[А-ЯЁ]+\d+⟧")


@dataclass
class Told:
    """Counts of one corpus. ``found``, ``all``: personal values by kind; ``right``, ``hidden``: hidden spans."""

    found: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)
    right: int = 0
    hidden: int = 0
    misses: list[str] = field(default_factory=list)

    @property
    def recall(self) -> float:
        return self.found.total() / max(1, self.all.total())

    @property
    def precision(self) -> float:
        return self.right / max(1, self.hidden)


def lines(name: str) -> Iterator[dict[str, Any]]:
    with (FOLDER / f"{name}.jsonl").open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def measure(name: str) -> Told:
    """``seen`` or ``unseen``."""
    told = Told()
    for line in lines(name):
        mask = Mask(line["known"])
        text, hidden = hidden_spans(mask, line["text"])
        wanted = [(item["kind"], _places(text, visible(item["value"]))) for item in line["personal"]]
        for kind, places in wanted:
            told.all[kind] += 1
            if places and all(_share(text, place, hidden) >= _COVERED for place in places):
                told.found[kind] += 1
            else:
                told.misses.append(f"{kind:12}{text}  →  {mask.hide(line['text'])}")
        personal = [place for _, places in wanted for place in places]
        for span in hidden:
            told.hidden += 1
            if _share(text, span, personal) >= 0.5:
                told.right += 1
            else:
                told.misses.append(f"{'false':12}{text[slice(*span)]}  ←  {text}")
    return told


def hidden_spans(mask: Mask, text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text as the mask reads it, and the places in it that were hidden."""
    masked = mask.hide(text)
    spans, whole = [], ""
    last = 0
    for found in _PLACEHOLDER.finditer(masked):
        whole += masked[last : found.start()]
        value = mask.restore(found[0])
        spans.append((len(whole), len(whole) + len(value)))
        whole += value
        last = found.end()
    return whole + masked[last:], spans


def _places(text: str, value: str) -> list[tuple[int, int]]:
    return [(found.start(), found.end()) for found in re.finditer(re.escape(value), text)]


def _share(text: str, span: tuple[int, int], others: Sequence[tuple[int, int]]) -> float:
    """The share of the span's letters and digits that lie in one of the others."""
    places = [place for place in range(*span) if text[place].isalnum()]
    covered = sum(any(start <= place < end for start, end in others) for place in places)
    return covered / max(1, len(places))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.masking", description=__doc__)
    parser.add_argument(
        "--misses", action="store_true", help="print what was missed or hidden for nothing in the first two"
    )
    options = parser.parse_args(arguments)
    for name in ("seen", "other", "unseen"):
        told = measure(name)
        print(
            f"{name}: {told.all.total()} values, recall {told.recall:.3f}; {told.hidden} hidden, precision {told.precision:.3f}"
        )
        print("  " + ", ".join(f"{kind} {told.found[kind]}/{number}" for kind, number in sorted(told.all.items())))
        if options.misses and name != "unseen":
            print("\n".join(sorted(told.misses)))


if __name__ == "__main__":
    main()
