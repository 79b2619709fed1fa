"""How long and how hard a provider is tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of the calls of one report. Seconds and counts."""

    #: one call, the second try included (reliability: at most 120 s)
    call_seconds: float = 55.0
    tries: int = 2
    #: a vendor's Retry-After beyond this is not waited for
    patience_seconds: float = 15.0
    concurrency: int = 6
    #: failed dialogs in a row after which the provider is left alone
    breaker: int = 3
    #: all readings of a report, however many dialogs: the report is due in ten minutes, and what was not read by then is
    #: read by the rules, said in the coverage and left to the next run of the window
    reading_seconds: float = 390.0
