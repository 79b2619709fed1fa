"""One tree of errors for the whole product.

An error is classified once, where it happens (HTTP answers: ``synkro/http/factory.py``), and carries two texts:
the message, one Russian sentence a person can act on, and ``detail``, the technical cause for the log.
Neither ever holds a secret: both pass ``synkro.log.redact`` on their way out.
"""

from __future__ import annotations


class SynkroError(Exception):
    """Root of every error that is meant to be shown.

    ``message``: what was tried, what came back and what to do, in Russian.
    ``detail``: the technical cause, for the operator.
    """

    #: shown as the kind of the failure in the run log
    kind = "error"

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def __str__(self) -> str:
        return self.message


class ConfigurationError(SynkroError):
    """A setting is missing or wrong: a person has to change it."""

    kind = "configuration"


class AuthenticationError(SynkroError):
    """The vendor refused our credentials: a person has to reconnect."""

    kind = "authentication"


class TransientError(SynkroError):
    """The other side is down, slow or throttling: the same call may succeed later."""

    kind = "transient"

    def __init__(self, message: str, *, detail: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message, detail=detail)
        self.retry_after = retry_after


class PermanentError(SynkroError):
    """The other side understood and refused: repeating the call is useless."""

    kind = "permanent"


class DataError(SynkroError):
    """An answer or an input that breaks its contract (wrong shape, wrong window, wrong value)."""

    kind = "data"


class NotFoundError(DataError):
    """The named thing does not exist, or the asker may not know that it does."""

    kind = "not_found"


class ReadOnlyViolation(PermanentError):
    """Someone tried to write to a vendor that is read-only by construction."""

    kind = "read_only"


class LeaseLost(SynkroError):
    """Another worker owns the run now: this one must stop and commit nothing."""

    kind = "lease_lost"


class Cancelled(SynkroError):
    """A person asked the run to stop."""

    kind = "cancelled"
