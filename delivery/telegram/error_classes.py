"""What an error of Telegram means for the one who wanted to send: vendors' table 2.7 as a function.

Pure. Descriptions are no stable contract, so the code and ``parameters`` decide first and lower-cased pieces of
the description only then. The message is one Russian sentence for the person who can act.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from synkro.core.errors import SynkroError, TransientError

Kind = Literal[
    "wait",  # 429: the chat's whole queue waits
    "stop",  # the token or the address is wrong: nothing of this bot works until a person acts
    "disable",  # this chat does not take messages from us
    "migrate",  # the group became a supergroup with another id
    "as_plain",  # the markup is unreadable: send the text without it
    "without_reply",  # the message or topic to reply to is gone
    "without_buttons",  # a button's address is not taken
    "conflict",  # somebody else polls this bot, or a webhook is set
    "refused",  # our mistake: repeating is useless
    "maybe_delivered",  # the answer was lost
    "transient",  # nothing was sent: later
]


@dataclass(frozen=True)
class Verdict:
    kind: Kind
    message: str
    #: seconds, for «wait» and «transient» when somebody named them
    retry_after: float | None = None
    #: for «migrate»
    new_chat_id: str | None = None


#: pieces of descriptions, what they mean, what to tell the person
_BY_TEXT: tuple[tuple[tuple[str, ...], Kind, str], ...] = (
    (("can't parse entities", "can't parse message text"), "as_plain", "разметка сообщения не прочитана"),
    (
        ("message to be replied not found", "message to reply not found", "message thread not found", "topic_closed"),
        "without_reply",
        "сообщение или тема для ответа не найдены",
    ),
    (("inline keyboard button", "button_url_invalid", "wrong http url"), "without_buttons", "адрес кнопки не принят"),
    (
        ("bot was blocked by the user",),
        "disable",
        "получатель заблокировал бота. Попросите его разблокировать бота и нажать «Начать».",
    ),
    (("user is deactivated",), "disable", "аккаунт получателя удалён. Укажите другой чат в настройках Telegram."),
    (
        ("can't initiate conversation",),
        "disable",
        "получатель ещё не писал боту. Попросите его открыть бота и нажать «Начать».",
    ),
    (
        ("bot was kicked", "bot is not a member"),
        "disable",
        "бота нет в чате. Добавьте его в группу снова и проверьте подключение.",
    ),
    (("chat was deleted", "group chat was deactivated"), "disable", "чат удалён. Укажите другой чат в настройках."),
    (
        ("chat not found", "chat_id is empty", "peer_id_invalid"),
        "disable",
        "чат не найден. Проверьте chat_id в настройках и то, что бот добавлен в этот чат.",
    ),
    (
        ("not enough rights", "have no write access", "need administrator rights", "chat_write_forbidden",
         "chat_restricted", "chat_send_plain_forbidden", "user_is_blocked"),
        "disable",
        "у бота нет права писать в чат. Разрешите боту отправлять сообщения.",
    ),
)  # fmt: skip


def judge(error: SynkroError) -> Verdict:
    """What to do about an error of a call to Telegram."""
    answer = getattr(error, "answer", None)
    answer = answer if isinstance(answer, dict) else {}
    parameters: Any = answer.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    status = getattr(error, "status", None) or answer.get("error_code")
    description = str(answer.get("description") or "").lower()

    if parameters.get("migrate_to_chat_id"):
        return Verdict(
            "migrate", "группа стала супергруппой, её номер сменился", new_chat_id=str(parameters["migrate_to_chat_id"])
        )
    if status == 429 or parameters.get("retry_after"):
        seconds = getattr(error, "retry_after", None) or parameters.get("retry_after") or 30
        return Verdict("wait", "Telegram просит реже отправлять сообщения", retry_after=float(seconds))
    if status in (401, 404):
        return Verdict(
            "stop", "Telegram не принимает токен бота. Получите новый у @BotFather и сохраните в настройках."
        )
    if status == 409:
        return Verdict("conflict", _conflict(description))
    if status in (400, 403):
        for pieces, kind, message in _BY_TEXT:
            if any(piece in description for piece in pieces):
                return Verdict(kind, message)
        if status == 403:
            return Verdict(
                "disable", "Telegram запрещает боту писать в чат. Проверьте, что бот добавлен и не заблокирован."
            )
    if getattr(error, "maybe_delivered", False):
        return Verdict("maybe_delivered", error.message, retry_after=getattr(error, "retry_after", None))
    if isinstance(error, TransientError):
        return Verdict("transient", error.message, retry_after=error.retry_after)
    if status is not None:
        return Verdict("refused", f"Telegram не принял сообщение: {description[:200] or f'ошибка {status}'}")
    # no answer at all and no hope: wrong address, broken certificate, an account that was stopped
    return Verdict("stop", error.message)


def _conflict(description: str) -> str:
    if "webhook" in description:
        return "у бота включён webhook, вопросы из чата не приходят"
    return "сообщения этого бота читает ещё одна программа. Остановите её или выпустите новый токен у @BotFather."
