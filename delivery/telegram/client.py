"""One bot of the Telegram Bot API, over the product's HTTP client.

Needs the bot's token and its base URL. Gives back what Telegram calls ``result``, or an error of
``synkro/http/factory.py`` that :func:`delivery.telegram.error_classes.judge` turns into what to do. The token is put on the path by
the auth object as a request leaves: no URL, error or log line of this package holds it.

A send is never repeated on its own once its bytes may have arrived: Telegram knows no idempotency key.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from delivery.telegram.error_classes import judge
from delivery.telegram.markup import visible_text
from synkro.core.errors import DataError, SynkroError
from synkro.http import factory
from synkro.http.factory import BotTokenAuth, Bounds, VendorRefused, VendorUnavailable
from synkro.http.ratelimit import Limiter

log = logging.getLogger(__name__)

#: seconds a send may take, waiting for its turn and for a short 429 included: with the request's own time it
#: must stay under the claim of an outbox row
PATIENCE = 60.0
_BOUNDS = Bounds(read=20.0, total=25.0, tries=2)
ALLOWED_UPDATES = ("message", "edited_message", "my_chat_member", "callback_query")


@dataclass(frozen=True)
class Sent:
    """A message Telegram took. ``lost``: what it refused on the way («as_plain», «without_reply», …)."""

    message_id: int
    lost: tuple[str, ...] = ()


class TelegramClient:
    """Safe to share between threads; close it, or use ``with``."""

    def __init__(
        self,
        token: str,
        base_url: str,
        *,
        limiter: Limiter | None = None,
        before_request: Callable[[], None] | None = None,
        bounds: Bounds = _BOUNDS,
    ) -> None:
        #: digits before the colon: the bot's id, no secret
        self.bot_id = token.partition(":")[0]
        self._bounds = bounds
        self._http = factory.client(
            "telegram",
            base_url,
            auth=BotTokenAuth(token),
            account_key=f"telegram:{self.bot_id}",
            limiter=limiter,
            bounds=bounds,
            before_request=before_request,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def get_me(self) -> dict[str, Any]:
        """``{"id", "username", "first_name", "can_read_all_group_messages", …}``: proves the token."""
        return self._result("getMe", {}, dict, idempotent=True)

    def delete_webhook(self) -> None:
        """Let getUpdates work again; what waits in the queue is kept."""
        self._result("deleteWebhook", {"drop_pending_updates": False}, bool, idempotent=True)

    def get_updates(self, offset: int | None, timeout: int, limit: int = 100) -> list[dict[str, Any]]:
        """Updates from ``offset`` on, waiting up to ``timeout`` seconds (50 at most) for the first one.

        The offset confirms everything below it: pass only what is stored.
        """
        payload: dict[str, Any] = {"timeout": timeout, "limit": limit, "allowed_updates": list(ALLOWED_UPDATES)}
        if offset is not None:
            payload["offset"] = offset
        return self._result(
            "getUpdates",
            payload,
            list,
            idempotent=True,
            # one try: the poller itself is the loop
            bounds=Bounds(read=timeout + 10.0, total=timeout + 15.0, tries=1),
        )

    def send_message(
        self,
        chat_id: str,
        text: str,
        *,
        parse_mode: str | None = "HTML",
        plain: str | None = None,
        buttons: Sequence[Sequence[dict[str, str]]] = (),
        reply_to: int | None = None,
        thread_id: int | None = None,
        limiter: Limiter | None = None,
        patience: float = PATIENCE,
    ) -> Sent:
        """Send one message; what Telegram refuses of its dress is taken off and the text sent without it.

        ``plain``: sent instead when Telegram cannot read the markup; made from it unless given.
        Raises the error of the first refusal that has no such cure.
        """
        payload: dict[str, Any] = {
            "chat_id": int(chat_id) if chat_id.lstrip("-").isdigit() else chat_id,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        if parse_mode:
            payload["parse_mode"] = parse_mode
        if buttons:
            payload["reply_markup"] = {"inline_keyboard": [list(row) for row in buttons]}
        if reply_to is not None:
            payload["reply_parameters"] = {"message_id": reply_to, "allow_sending_without_reply": True}
        if thread_id is not None:
            payload["message_thread_id"] = thread_id
        lost: list[str] = []
        while True:
            try:
                result = self._result("sendMessage", payload, dict, limiter=limiter, patience=patience)
            except SynkroError as error:
                verdict = judge(error)
                if verdict.kind not in _CURES or verdict.kind in lost:
                    raise
                log.warning("Telegram: %s; сообщение отправляется иначе (%s)", verdict.message, verdict.kind)
                lost.append(verdict.kind)
                for field in _CURES[verdict.kind]:
                    payload.pop(field, None)
                if verdict.kind == "as_plain":
                    payload["text"] = plain or visible_text(text)
                continue
            if not isinstance(result.get("message_id"), int):
                raise self._lost_answer("no message_id")
            return Sent(result["message_id"], tuple(lost))

    def answer_press(self, callback_id: str, text: str) -> None:
        """Tell whoever pressed a button that it was heard, in a notice over the chat; an empty text says nothing."""
        self._result(
            "answerCallbackQuery", {"callback_query_id": callback_id, "text": text[:200]}, bool, idempotent=True
        )

    def change_buttons(self, chat_id: str, message_id: int, buttons: Sequence[Sequence[Any]]) -> None:
        """Other buttons under a message of ours."""
        payload = {
            "chat_id": chat_id,
            "message_id": message_id,
            "reply_markup": {"inline_keyboard": [list(row) for row in buttons]},
        }
        self._result("editMessageReplyMarkup", payload, dict, idempotent=True)

    def _result(self, method: str, payload: dict[str, Any], expect: type, **options: Any) -> Any:
        idempotent = bool(options.get("idempotent"))
        try:
            answer = self._http.post(f"/{method}", json=payload, **options)
        except DataError as error:
            if idempotent or isinstance(error, factory.VendorNotFound):
                raise
            # 2xx of an unknown shape: the message may be there
            raise self._lost_answer(error.detail or "") from None
        if isinstance(answer, dict) and answer.get("ok") is False:
            refused = VendorRefused("Telegram не принял запрос.", detail=str(answer.get("description"))[:300])
            refused.status, refused.answer = answer.get("error_code"), answer
            raise refused
        result = (answer or {}).get("result")
        if not isinstance(result, expect):
            if idempotent:
                raise DataError(
                    "Telegram прислал ответ непривычной формы.", detail=f"{method}: {type(result).__name__}"
                )
            raise self._lost_answer(f"{method}: result is {type(result).__name__}")
        return result

    @staticmethod
    def _lost_answer(detail: str) -> VendorUnavailable:
        error = VendorUnavailable("Telegram ответил непонятно: сообщение могло дойти.", detail=detail)
        error.maybe_delivered = True
        return error


#: what to take off a message that was refused because of it
_CURES: dict[str, tuple[str, ...]] = {
    "as_plain": ("parse_mode",),
    "without_reply": ("reply_parameters", "message_thread_id"),
    "without_buttons": ("reply_markup",),
}
