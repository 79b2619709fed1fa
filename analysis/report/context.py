"""What one report is made for, and what reading its dialogs gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from analysis.llm.limits import Limits
from analysis.reading.models import Reading
from analysis.topics import Catalogue, pack
from synkro.connectors.integrations import Integration
from synkro.core.windows import Window
from synkro.reporting.dialogs import Dialog
from synkro.tenancy.rubric import DEFAULT, Criterion
from synkro.tenancy.topics import CORE


def _nothing() -> None:
    return None


def _silent(step: str, done: int, total: int | None, note: str) -> None:
    return None


@dataclass(frozen=True)
class AnalysisContext:
    """One report of one tenant. Nothing of another tenant is ever in reach of it."""

    tenant_id: UUID
    company: str
    run_id: UUID | None
    window: Window
    report_type: str
    timezone: str
    period_start: date
    period_end: date
    #: None, or without a key: the rules read
    ai: Integration | None = None
    ai_secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    min_dialogs: int = 1
    #: raises ``Cancelled`` or ``LeaseLost`` when the run must stop
    checkpoint: Callable[[], None] = _nothing
    #: ``(step, done, total, note)``
    progress: Callable[[str, int, int | None, str], None] = _silent
    #: address of the web app, for links
    base_url: str = ""
    #: [{"source", "reason", "until", "next_attempt"}] of an incomplete window
    missing: list[dict[str, Any]] = field(default_factory=list)
    allow_local: bool = False
    limits: Limits = field(default_factory=Limits)
    #: by what quality is scored
    rubric: tuple[Criterion, ...] = DEFAULT
    #: what clients are said to ask about
    topics: Catalogue = field(default_factory=lambda: pack(CORE).catalogue)
    #: the lists before this one, newest first: their readings stand where the change does not concern the dialog
    earlier_topics: tuple[Catalogue, ...] = ()

    @property
    def has_model(self) -> bool:
        """An AI integration with a key and a model."""
        return self.ai is not None and bool(self.ai_secrets.get("api_key")) and bool(self.ai.public.get("model"))

    @property
    def model(self) -> str:
        return str(self.ai.public.get("model") or "") if self.ai else ""


@dataclass(frozen=True)
class DialogReading:
    """A dialog of the window with what was understood of it. ``by``: ``model`` or ``rules``."""

    dialog: Dialog
    reading: Reading
    by: str


@dataclass
class ReadingsOutcome:
    """Every dialog of the window: read, or left out with a reason."""

    readings: list[DialogReading] = field(default_factory=list)
    total: int = 0
    #: dialogs the chosen reader (the model, or the rules where there is none) read whole
    read: int = 0
    #: reason → dialogs the chosen reader did not read: no_text, budget, provider, time, too_long
    skipped: dict[str, int] = field(default_factory=dict)
    #: of the skipped ones, those the rules read instead
    by_rules: int = 0
    #: reader the report was meant to have: model or rules
    reader: str = "rules"
    model: str = ""
    #: why the model did not read everything, in Russian; empty when it did or was not asked
    note: str = ""
    #: the provider failed as a whole: no further call makes sense for this report
    ai_down: bool = False
    from_cache: int = 0
    calls: int = 0
    dropped_claims: int = 0
    media_unread: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: Decimal = Decimal(0)
    price_note: str = ""

    @property
    def kind(self) -> str:
        """``model``, ``rules`` or ``mixed``: who the report's readings come from."""
        kinds = {found.by for found in self.readings}
        return "mixed" if len(kinds) > 1 else next(iter(kinds), self.reader)

    def skip(self, reason: str) -> None:
        self.skipped[reason] = self.skipped.get(reason, 0) + 1

    @property
    def coverage(self) -> dict[str, Any]:
        """``{"read", "total", "skipped", "by_rules", "media_unread"}``; read and skipped add up to total."""
        return {
            "read": self.read,
            "total": self.total,
            "skipped": dict(sorted(self.skipped.items())),
            "by_rules": self.by_rules,
            "media_unread": self.media_unread,
        }
