"""The Telegram Bot API over HTTP: ``build_app(world, request_log, faults)``; what it promises is in the module's ``app``."""

from sandbox.vendors.telegram.app import build_app
from sandbox.vendors.telegram.chats import GROUP_CHAT, OWNER_CHAT, bot_token

__all__ = ["GROUP_CHAT", "OWNER_CHAT", "bot_token", "build_app"]
