"""The bot's methods: what it sends, edits and asks; every refusal in the vendor's own words."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.faults.catalogue import Faults
from sandbox.vendors.telegram.chats import BOT, Refused, first_chats, public
from sandbox.vendors.telegram.text import found_entities, parse
from sandbox.vendors.telegram.updates import Updates

MIGRATED = "group chat was upgraded to a supergroup chat"


class Bot:
    """One bot, its chats, what it sent and what waits for it."""

    def __init__(self, seed: int, faults: Faults, now: Callable[[], datetime]) -> None:
        self.faults, self.switches = faults, faults.switches
        #: the world's clock: what a message is dated by; its pauses and ages are real
        self.now = now
        self.chats = first_chats()
        self.sent: list[dict[str, Any]] = []
        self.messages: dict[tuple[int, int], dict[str, Any]] = {}
        self.updates = Updates(seed)
        self._last_id: dict[int, int] = {}
        self._calls: dict[int, deque[float]] = {}
        self.last_author: dict[int, int] = {}
        self._commands: list[Any] = []
        methods: list[Callable[..., Any]] = [
            self.get_me, self.send_message, self.send_document, self.send_photo, self.edit_message_text, self.edit_message_reply_markup, self.delete_message,
            self.send_chat_action, self.set_my_commands, self.get_my_commands, self.answer_callback_query, self.get_chat,
            self.set_webhook, self.delete_webhook, self.get_webhook_info,
        ]  # fmt: skip
        self.methods = {method.__name__.replace("_", ""): method for method in methods}

    # --- sending ------------------------------------------------------------------------------------------------

    def get_me(self, f: Mapping[str, Any]) -> Any:
        return {
            **BOT,
            "can_join_groups": True,
            "can_read_all_group_messages": not self.switches["privacy"],
            "supports_inline_queries": False,
        }

    def send_message(self, f: Mapping[str, Any]) -> Any:
        chat = self._chat(f)
        text, entities = parse(f.get("text"), f.get("parse_mode"))
        entities = entities if f.get("parse_mode") or not f.get("entities") else [*f["entities"], *found_entities(text)]
        return self._deliver(chat, f, "sendMessage", {"text": text, "entities": entities})

    def send_document(self, f: Mapping[str, Any]) -> Any:
        chat = self._chat(f)
        caption, entities = parse(f.get("caption"), f.get("parse_mode"), caption=True)
        document = f.get("document")
        if not document:
            raise Refused(400, "Bad Request: there is no document in the request")
        if isinstance(document, dict) and document["file_size"] > 50 * 1024 * 1024:
            raise Refused(413, "Request Entity Too Large")
        content = (
            document
            if isinstance(document, dict)
            else {"file_id": str(document), "file_name": str(document).rsplit("/", 1)[-1]}
        )
        body: dict[str, Any] = {"document": {k: v for k, v in content.items() if k != "content"}}
        if caption:
            body |= {"caption": caption, "caption_entities": entities}
        return self._deliver(chat, f, "sendDocument", body, content=content.get("content"))

    def send_photo(self, f: Mapping[str, Any]) -> Any:
        chat = self._chat(f)
        caption, entities = parse(f.get("caption"), f.get("parse_mode"), caption=True)
        photo = f.get("photo")
        if not photo:
            raise Refused(400, "Bad Request: there is no photo in the request")
        name = photo["file_name"] if isinstance(photo, dict) else str(photo)
        body = {
            "photo": [{"file_id": name, "width": 800, "height": 600}],
            "caption": caption,
            "caption_entities": entities,
        }
        return self._deliver(chat, f, "sendPhoto", body)

    def edit_message_text(self, f: Mapping[str, Any]) -> Any:
        chat = self._chat(f)
        message = self.messages.get((chat["id"], int(f.get("message_id") or 0)))
        if message is None or message["from"]["id"] != BOT["id"]:
            raise Refused(400, "Bad Request: message to edit not found")
        text, entities = parse(f.get("text"), f.get("parse_mode"))
        markup = f.get("reply_markup")
        if (
            message.get("text") == text
            and message.get("entities", []) == entities
            and message.get("reply_markup") == markup
        ):
            raise Refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a current content and reply markup of the message",
            )
        message |= {"text": text, "entities": entities, "edit_date": int(self.now().timestamp())}
        message.pop("reply_markup", None)
        if markup:
            message["reply_markup"] = markup
        self.sent.append(
            {
                "method": "editMessageText",
                "chat_id": chat["id"],
                "message_id": message["message_id"],
                "text": text,
                "raw_text": f.get("text"),
                "parse_mode": f.get("parse_mode"),
                "at": time.time(),
            }
        )
        return message

    def edit_message_reply_markup(self, f: Mapping[str, Any]) -> Any:
        message = self.messages.get((self._chat(f)["id"], int(f.get("message_id") or 0)))
        if message is None:
            raise Refused(400, "Bad Request: message to edit not found")
        message.pop("reply_markup", None)
        if f.get("reply_markup"):
            message["reply_markup"] = f["reply_markup"]
        return message

    def delete_message(self, f: Mapping[str, Any]) -> Any:
        if self.messages.pop((self._chat(f)["id"], int(f.get("message_id") or 0)), None) is None:
            raise Refused(400, "Bad Request: message to delete not found")
        return True

    def send_chat_action(self, f: Mapping[str, Any]) -> Any:
        self._chat(f)
        if f.get("action") not in ("typing", "upload_document", "upload_photo"):
            raise Refused(400, "Bad Request: wrong parameter action in request")
        return True

    def set_my_commands(self, f: Mapping[str, Any]) -> Any:
        self._commands = list(f.get("commands") or [])
        return True

    def get_my_commands(self, f: Mapping[str, Any]) -> Any:
        return self._commands

    def answer_callback_query(self, f: Mapping[str, Any]) -> Any:
        if str(f.get("callback_query_id")) not in self.updates.callbacks:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        return True

    def get_chat(self, f: Mapping[str, Any]) -> Any:
        return public(self._chat(f))

    def set_webhook(self, f: Mapping[str, Any]) -> Any:
        secret = str(f.get("secret_token") or "")
        if len(secret) > 256:
            raise Refused(400, "Bad Request: secret token is too long")
        if not all(c.isascii() and (c.isalnum() or c in "_-") for c in secret):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        url = str(f.get("url") or "")
        if url and not url.startswith("https://"):
            raise Refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        self.updates.set_webhook(url)
        return True

    def delete_webhook(self, f: Mapping[str, Any]) -> Any:
        self.updates.set_webhook("", drop=f.get("drop_pending_updates") in (True, "true", "True", 1))
        return True

    def get_webhook_info(self, f: Mapping[str, Any]) -> Any:
        return {
            "url": self.updates.webhook,
            "has_custom_certificate": False,
            "pending_update_count": self.updates.pending(),
        }

    def _chat(self, f: Mapping[str, Any]) -> dict[str, Any]:
        """The addressed chat, if the bot may write there; the vendor's words otherwise."""
        raw = f.get("chat_id")
        if raw is None or raw == "":
            raise Refused(400, "Bad Request: chat_id is empty")
        chat = self.chats.get(int(raw)) if str(raw).lstrip("-").isdigit() else None
        if chat is None:
            raise Refused(400, "Bad Request: chat not found")
        state, kind = chat["state"], chat["type"]
        if state.startswith("migrated:"):
            raise Refused(400, f"Bad Request: {MIGRATED}", {"migrate_to_chat_id": int(state.split(":")[1])})
        refusals = {
            "blocked": (403, "Forbidden: bot was blocked by the user"),
            "deactivated": (403, "Forbidden: user is deactivated"),
            "not_started": (403, "Forbidden: bot can't initiate conversation with a user"),
            "kicked": (403, f"Forbidden: bot was kicked from the {kind} chat"),
            "no_rights": (400, "Bad Request: not enough rights to send text messages to the chat"),
        }
        if state in refusals:
            raise Refused(*refusals[state])
        return chat

    def _deliver(
        self, chat: dict[str, Any], f: Mapping[str, Any], method: str, body: dict[str, Any], content: str | None = None
    ) -> dict[str, Any]:
        self._throttle(chat)
        reply, thread = self._reply_target(chat, f), f.get("message_thread_id")
        if thread and chat["state"] == "forum" and int(thread) not in chat["topics"]:
            raise Refused(400, "Bad Request: message thread not found")
        message = {
            "message_id": self.next_id(chat["id"]),
            "from": dict(BOT),
            "chat": public(chat),
            "date": int(self.now().timestamp()),
            **body,
        }
        if not message.get("entities", True):
            del message["entities"]
        if reply:
            message["reply_to_message"] = {k: v for k, v in reply.items() if k != "reply_to_message"}
        if thread and chat["state"] == "forum":
            message |= {"message_thread_id": int(thread), "is_topic_message": True}
        if f.get("reply_markup"):
            message["reply_markup"] = f["reply_markup"]
        self.messages[(chat["id"], message["message_id"])] = message
        self.last_author[chat["id"]] = BOT["id"]
        record = {
            "method": method,
            "chat_id": chat["id"],
            "at": time.time(),
            **message,
            "raw_text": f.get("text") or f.get("caption"),
            "parse_mode": f.get("parse_mode"),
            "content": content,
        }
        self.sent.append(record)
        return message

    def _reply_target(self, chat: dict[str, Any], f: Mapping[str, Any]) -> dict[str, Any] | None:
        parameters = f.get("reply_parameters") or (
            {"message_id": f["reply_to_message_id"]} if f.get("reply_to_message_id") else None
        )
        if not parameters:
            return None
        target = self.messages.get((chat["id"], int(parameters.get("message_id") or 0)))
        if target is None and not parameters.get("allow_sending_without_reply"):
            raise Refused(400, "Bad Request: message to be replied not found")
        return target

    def _throttle(self, chat: dict[str, Any]) -> None:
        """Five in a burst, then one a second; twenty a minute in a group; thirty a second over all."""
        calls, now = self._calls.setdefault(chat["id"], deque(maxlen=400)), time.monotonic()
        per_chat, per_group = self.faults.rates.get("chat"), self.faults.rates.get("group_per_minute")
        retry = 0
        if per_chat is not None and sum(now - t < 5 / per_chat for t in calls) >= 5:
            retry = 1
        if per_group is not None and chat["type"] != "private" and sum(now - t < 60 for t in calls) >= per_group:
            retry = max(1, int(60 - (now - calls[-int(per_group)])) + 1)
        if not self.faults.allow("overall"):
            retry = max(retry, 1)
        if retry:
            retry = self.switches["retry_after"] or retry
            raise Refused(429, f"Too Many Requests: retry after {retry}", {"retry_after": retry})
        calls.append(now)

    def next_id(self, chat_id: int) -> int:
        self._last_id[chat_id] = self._last_id.get(chat_id, 100) + 1
        return self._last_id[chat_id]
