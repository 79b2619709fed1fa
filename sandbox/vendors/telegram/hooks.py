"""The tests' side of Telegram: what was sent, users who write and press buttons, chats that change their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.vendors.telegram.bot import Bot
from sandbox.vendors.telegram.chats import BOT, public
from sandbox.vendors.telegram.text import found_entities


class Hooks:
    """Pages under ``/_``; they need no token and are not in the request log."""

    def __init__(self, bot: Bot) -> None:
        self.bot = bot

    async def sent_page(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.bot.sent.clear()
        wanted = request.query_params.get("chat_id")
        return JSONResponse([m for m in self.bot.sent if not wanted or str(m["chat_id"]) == wanted])

    async def chats_page(self, request: Request) -> Response:
        """``POST {"id", "type", "state", …}`` adds a chat or changes one (``state``: ok, blocked, kicked, migrated:ID, …)."""
        if request.method == "POST":
            body = await request.json()
            self.bot.chats.setdefault(int(body["id"]), {"type": "private", "state": "ok"}).update(
                {**body, "id": int(body["id"])}
            )
        return JSONResponse(list(self.bot.chats.values()))

    async def inject_page(self, request: Request) -> Response:
        """A whole ``{"update": {…}}``, ``{"callback": {"chat_id", "message_id", "data", "from_id"}}`` or
        ``{"chat_id", "text", "from_id", "reply_to", "edited", "thread"}``; ``repeat`` queues it so many times."""
        body = await request.json()
        if "update" in body:
            update, heard = dict(body["update"]), True
        elif "callback" in body:
            update, heard = self._callback(body["callback"]), True
        else:
            update, heard = self._user_message(body)
        if heard:
            for _ in range(int(body.get("repeat", 1))):
                update = self.bot.updates.add(update)
        return JSONResponse({"update": update, "delivered": heard})

    def _user(self, chat_id: int, raw: Any) -> dict[str, Any]:
        user_id = int(raw or (chat_id if chat_id > 0 else 600001))
        known = self.bot.chats.get(user_id, {})
        return {"id": user_id, "is_bot": False, "first_name": known.get("first_name", "Гость"), "language_code": "ru"}

    def _user_message(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
        chat_id = int(body["chat_id"])
        chat = self.bot.chats.setdefault(
            chat_id,
            {"id": chat_id, "type": "private" if chat_id > 0 else "supergroup", "first_name": "Гость", "state": "ok"},
        )
        if chat["state"] == "not_started":
            chat["state"] = "ok"
        text = str(body.get("text") or "")
        message: dict[str, Any] = {
            "message_id": self.bot.next_id(chat_id),
            "date": int(self.bot.now().timestamp()),
            "chat": public(chat),
            "from": self._user(chat_id, body.get("from_id")),
            "text": text,
        }
        if entities := found_entities(text):
            message["entities"] = entities
        target = self.bot.messages.get((chat_id, int(body.get("reply_to") or 0)))
        if target:
            message["reply_to_message"] = {k: v for k, v in target.items() if k != "reply_to_message"}
        if body.get("thread"):
            message |= {"message_thread_id": int(body["thread"]), "is_topic_message": chat["state"] == "forum"}
            if not target and chat["state"] == "forum":  # the server fills in the topic's root by itself
                root = {"message_id": int(body["thread"]), "from": dict(BOT), "forum_topic_created": {"name": "Тема"}}
                message["reply_to_message"] = {**root, "chat": public(chat), "date": message["date"]}
        heard = self._hears(chat, message)
        self.bot.messages[(chat_id, message["message_id"])] = message
        self.bot.last_author[chat_id] = message["from"]["id"]
        return {"edited_message" if body.get("edited") else "message": message}, heard

    def _hears(self, chat: Mapping[str, Any], message: Mapping[str, Any]) -> bool:
        """Privacy mode: in a group only commands for this bot, replies to it and mentions."""
        if chat["type"] == "private" or not self.bot.switches["privacy"] or self.bot.switches["bot_is_admin"]:
            return True
        text, name = message["text"].lower(), f"@{str(BOT['username']).lower()}"
        target = message.get("reply_to_message", {})
        if (target.get("from", {}).get("id") == BOT["id"] and "text" in target) or name in text:
            return True
        return text.startswith("/") and "@" not in text.split()[0] and self.bot.last_author.get(chat["id"]) == BOT["id"]

    def _callback(self, body: Mapping[str, Any]) -> dict[str, Any]:
        chat_id = int(body["chat_id"])
        message = self.bot.messages.get((chat_id, int(body.get("message_id") or 0)))
        number = self.bot.updates.new_callback()
        return {
            "callback_query": {
                "id": number,
                "from": self._user(chat_id, body.get("from_id")),
                "message": message,
                "chat_instance": str(chat_id),
                "data": str(body.get("data", "")),
            }
        }
