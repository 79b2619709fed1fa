"""What the steps of one run leave for the next in this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from synkro.core.windows import Window

if TYPE_CHECKING:
    from analysis.reading.context import ReadingsOutcome


@dataclass
class RunState:
    """``None``: the step has not run in this process. Whoever needs it then asks the database, so a step can run alone."""

    #: sources: ``(source, stream)`` of what was read, wholly or in part
    streams: frozenset[tuple[str, str]] | None = None
    #: sources: the windows the marts are built for, the run's own first
    windows: list[Window] | None = None
    #: sources and marts: what the run's window lacks, as ``report_windows.missing`` holds it
    missing: list[dict[str, Any]] | None = None
    #: readings: the dialogs of the window
    readings: ReadingsOutcome | None = None
