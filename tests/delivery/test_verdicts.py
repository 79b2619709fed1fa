"""Every row of the vendor's error table, and what is done about it."""

from __future__ import annotations

from typing import Any

import pytest

from delivery.telegram.error_classes import judge
from synkro.core.errors import ConfigurationError, PermanentError, SynkroError, TransientError
from synkro.http.factory import VendorForbidden, VendorNotFound, VendorRefused, VendorUnauthorized, VendorUnavailable


def answered(kind: type[Any], status: int, description: str, **parameters: Any) -> SynkroError:
    error = kind("сообщение")
    error.status = status
    error.answer = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    assert isinstance(error, SynkroError)
    return error


@pytest.mark.parametrize(
    ("kind", "status", "description", "verdict"),
    [
        (VendorUnauthorized, 401, "Unauthorized", "stop"),
        (VendorUnauthorized, 401, "Unauthorized: invalid token specified", "stop"),
        (VendorNotFound, 404, "Not Found: method not found", "stop"),
        (VendorNotFound, 404, "Not Found", "stop"),
        (VendorRefused, 400, "Bad Request: chat not found", "disable"),
        (VendorRefused, 400, "Bad Request: chat_id is empty", "disable"),
        (
            VendorRefused,
            400,
            'Bad Request: can\'t parse entities: Unsupported start tag "x" at byte offset 5',
            "as_plain",
        ),
        (
            VendorRefused,
            400,
            "Bad Request: can't parse entities: Can't find end tag corresponding to start tag \"b\"",
            "as_plain",
        ),
        (VendorRefused, 400, "Bad Request: message is too long", "refused"),
        (VendorRefused, 400, "Bad Request: message text is empty", "refused"),
        (VendorRefused, 400, "Bad Request: message to be replied not found", "without_reply"),
        (VendorRefused, 400, "Bad Request: message thread not found", "without_reply"),
        (
            VendorRefused,
            400,
            "Bad Request: inline keyboard button URL 'http://x' is invalid: Wrong HTTP URL",
            "without_buttons",
        ),
        (VendorRefused, 400, "Bad Request: BUTTON_URL_INVALID", "without_buttons"),
        (VendorRefused, 400, "Bad Request: not enough rights to send text messages to the chat", "disable"),
        (VendorRefused, 400, "Bad Request: have no write access to the chat", "disable"),
        (VendorRefused, 400, "Bad Request: CHAT_WRITE_FORBIDDEN", "disable"),
        (VendorForbidden, 403, "Forbidden: bot was blocked by the user", "disable"),
        (VendorForbidden, 403, "Forbidden: user is deactivated", "disable"),
        (VendorForbidden, 403, "Forbidden: bot can't initiate conversation with a user", "disable"),
        (VendorForbidden, 403, "Forbidden: bot was kicked from the supergroup chat", "disable"),
        (VendorForbidden, 403, "Forbidden: bot is not a member of the channel chat", "disable"),
        (VendorForbidden, 403, "Forbidden: the group chat was deleted", "disable"),
        (VendorForbidden, 403, "Forbidden: a reason of tomorrow", "disable"),
        (VendorRefused, 409, "Conflict: terminated by other getUpdates request; make sure …", "conflict"),
        (VendorRefused, 409, "Conflict: can't use getUpdates method while webhook is active; …", "conflict"),
    ],
)
def test_refusals(kind: type[Any], status: int, description: str, verdict: str) -> None:
    judged = judge(answered(kind, status, description))
    assert judged.kind == verdict
    assert judged.message and "!" not in judged.message


def test_a_limit_waits_as_long_as_it_says() -> None:
    judged = judge(answered(VendorUnavailable, 429, "Too Many Requests: retry after 17", retry_after=17))
    assert (judged.kind, judged.retry_after) == ("wait", 17.0)


def test_a_moved_group_is_known_by_the_parameter_not_the_text() -> None:
    for text in ("Bad Request: group chat was upgraded to a supergroup chat", "Bad Request: group chat was migrated"):
        judged = judge(answered(VendorRefused, 400, text, migrate_to_chat_id=-1009000000001))
        assert (judged.kind, judged.new_chat_id) == ("migrate", "-1009000000001")


def test_what_never_arrived_is_told_from_what_may_have() -> None:
    lost = VendorUnavailable("нет ответа")
    assert judge(lost).kind == "transient"
    lost.maybe_delivered = True
    assert judge(lost).kind == "maybe_delivered"
    gateway = answered(VendorUnavailable, 502, "")
    gateway.maybe_delivered = True  # type: ignore[attr-defined]
    assert judge(gateway).kind == "maybe_delivered"
    assert judge(TransientError("очередь", retry_after=9)).retry_after == 9


def test_what_needs_a_person_stops_the_bot() -> None:
    for error in (ConfigurationError("нет токена"), PermanentError("сертификат")):
        assert judge(error).kind == "stop"
