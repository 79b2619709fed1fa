"""How Supabase Auth says no (supabase/auth, internal/api/errors.go, confirmed).

A client that names API version 2024-01-01 gets ``{"code": "…", "message": "…"}`` and the version in a header, an older one
``{"code": 400, "error_code": "…", "msg": "…"}``.
"""

from __future__ import annotations

from typing import Any

VERSION_HEADER = "x-supabase-api-version"
VERSION = "2024-01-01"


class Refusal(Exception):
    """One answer that is not a success."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.more = status, code, message, more

    def answer(self, asked_version: str | None) -> tuple[dict[str, Any], dict[str, str]]:
        """Body and headers."""
        headers = {"x-sb-error-code": self.code}
        if asked_version and asked_version >= VERSION:
            return {"code": self.code, "message": self.message, **self.more}, {**headers, VERSION_HEADER: VERSION}
        return {"code": self.status, "error_code": self.code, "msg": self.message, **self.more}, headers


def expired() -> Refusal:
    return Refusal(403, "otp_expired", "Token has expired or is invalid")


def expired_link() -> Refusal:
    return Refusal(403, "otp_expired", "Email link is invalid or has expired")


def email_exists() -> Refusal:
    return Refusal(422, "email_exists", "A user with this email address has already been registered")


def wrong_credentials() -> Refusal:
    return Refusal(400, "invalid_credentials", "Invalid login credentials")


def invalid(message: str, status: int = 400) -> Refusal:
    return Refusal(status, "validation_failed", message)


def broken(message: str) -> Refusal:
    return Refusal(500, "unexpected_failure", message)
