"""How much of what clients ask the topics cover, and whether they are the right ones; printed by :mod:`bench.reading`.

On the corpus, by business, with the general topics alone and with the pack of the business. The words of the packs were not
written from lines of the corpus; of three businesses (:data:`SEEN`) the classes of what was missed were read afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from analysis.intents.talk import without_placeholders
from analysis.reading.normalisation import folded
from analysis.topics import Catalogue, pack
from analysis.topics.finding import ASKING
from analysis.topics.matching import matcher
from bench import corpus
from synkro.tenancy.topics import CORE

#: the others were only measured
SEEN = ("auto_service", "clinic", "education")

#: business → a topic of its file → the keys of a pack that say the same
MEANS: dict[str, dict[str, str]] = {
    "auto_service": {
        "price": "price", "booking": "booking", "diagnostics": "diagnostics", "tyres": "tyres", "oil": "maintenance", "brakes": "brakes",
        "suspension": "suspension", "engine": "engine", "electrics": "electrics", "parts": "parts availability", "readiness": "order terms",
        "payment": "payment credit", "warranty": "warranty", "location": "place delivery", "storage": "storage", "bodywork": "bodywork",
    },
    "clinic": {
        "price": "price discount", "booking": "booking", "reschedule": "booking", "treatment": "dentistry treatment symptoms", "cleaning": "dentistry",
        "prosthetics": "dentistry", "braces": "dentistry", "kids": "children", "injections": "treatment", "facecare": "treatment", "laser": "treatment",
        "aftercare": "symptoms treatment preparation", "payment": "payment credit return", "documents": "documents imaging results", "address": "place",
        "service": "",
    },
    "education": {
        "price": "price", "schedule": "schedule", "trial": "trial", "enroll": "booking group", "level_test": "level", "teacher": "teacher",
        "homework": "materials", "missed_class": "absence booking", "payment": "payment credit", "refund": "return absence", "certificate": "certificate documents exams",
        "tech": "materials group", "location": "place group", "discount": "discount", "materials": "materials program", "b2b": "documents",
    },
    "furniture": {
        "measure": "measure", "price": "price", "design": "look", "materials": "materials look", "hardware": "materials", "delivery": "delivery",
        "installation": "assembly", "term": "terms order", "payment": "payment", "installment": "credit", "warranty": "warranty repair", "contract": "documents payment",
        "appliances": "", "wardrobe": "materials", "negotiation": "discount", "showroom": "place",
    },
    "real_estate": {
        "rent": "rent listing", "sale": "listing selling", "new_building": "construction", "viewing": "viewing", "price": "price discount", "deposit": "rent payment legal return",
        "mortgage": "mortgage credit", "documents": "documents legal", "commission": "commission", "repairs": "condition", "utilities": "utilities",
        "negotiation": "discount price", "move": "rent viewing", "rules": "rent", "listing": "selling rent",
    },
    "wholesale": {
        "price": "price", "order": "order_new", "stock": "availability", "delivery": "delivery", "pickup": "delivery place", "invoice": "payment documents",
        "documents": "documents deferral", "debt": "deferral payment", "payment": "payment", "claims": "claims return", "returns": "return claims", "samples": "samples",
        "branding": "", "terms": "discount deferral min_order payment", "assortment": "assortment", "service": "",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Share:
    part: int = 0
    whole: int = 0

    def __add__(self, other: Share) -> Share:
        return Share(self.part + other.part, self.whole + other.whole)

    def __str__(self) -> str:
        return f"{self.part / self.whole:.2f} ({self.part}/{self.whole})" if self.whole else "—"


@dataclass(frozen=True)
class Measured:
    """``lines``: client's lines that need an answer, of those with words; ``asking``: the questions, requests and orders among them."""

    lines: Share = Share()
    asking: Share = Share()
    #: of the dialogs' topics, found; of the topics found, right
    found: Share = Share()
    right: Share = Share()

    def __add__(self, other: Measured) -> Measured:
        return Measured(
            self.lines + other.lines, self.asking + other.asking, self.found + other.found, self.right + other.right
        )


def measure(business: str, catalogue: Catalogue) -> Measured:
    """Each line is judged by itself; a dialog has the topics of all of its client's lines."""
    look, means = matcher(catalogue), MEANS[business]
    named = {key for keys in means.values() for key in keys.split()}
    total = Measured()
    for dialog in _dialogs()[business]:
        told: set[str] = set()
        lines = asking = Share()
        for line in dialog.lines:
            if line.who != "client":
                continue
            topics = {key for key, _ in look.find(folded(line.text))}
            told |= topics
            if line.need == "R" and _has_words(line.text):
                lines += Share(bool(topics), 1)
                if line.reason in ASKING:
                    asking += Share(bool(topics), 1)
        accepted = [set(means[topic].split()) for topic in dialog.topics if means[topic]]
        right = {key for keys in accepted for key in keys}
        found = Share(sum(1 for keys in accepted if keys & told), len(accepted))
        # a topic the file has no name for is neither right nor wrong
        total += Measured(lines, asking, found, Share(len(told & right), len(told & named)))
    return total


@lru_cache(maxsize=1)
def _dialogs() -> dict[str, list[corpus.Dialog]]:
    by_business: dict[str, list[corpus.Dialog]] = {business: [] for business in corpus.BUSINESSES}
    for dialog in corpus.load():
        by_business[dialog.business].append(dialog)
    return by_business


def _has_words(text: str) -> bool:
    """Something besides a placeholder of a file."""
    return any(char.isalpha() for char in without_placeholders(text)[0])


def missed(business: str) -> list[str]:
    """The asking lines of a business its pack covers by no topic."""
    look = matcher(pack(business).catalogue)
    return [
        f"{dialog.dialog_id}: {line.text}"
        for dialog in _dialogs()[business]
        for line in dialog.lines
        if line.need == "R" and line.reason in ASKING and _has_words(line.text) and not look.find(folded(line.text))
    ]


def table() -> str:
    """Lines to be printed below the measures of :mod:`bench.reading`."""
    rows = [
        [
            "topics",
            "lines: core",
            "lines: pack",
            "asking: core",
            "asking: pack",
            "found: core",
            "found: pack",
            "right: core",
            "right: pack",
        ]
    ]
    core_of_all, own_of_all = Measured(), Measured()
    for business in corpus.BUSINESSES:
        core, own = measure(business, pack(CORE).catalogue), measure(business, pack(business).catalogue)
        core_of_all, own_of_all = core_of_all + core, own_of_all + own
        rows.append(_row(business + (" (read)" if business in SEEN else ""), core, own))
    rows.append(_row("all", core_of_all, own_of_all))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(name: str, core: Measured, own: Measured) -> list[str]:
    pairs = ((core.lines, own.lines), (core.asking, own.asking), (core.found, own.found), (core.right, own.right))
    return [name, *(str(share) for pair in pairs for share in pair)]
