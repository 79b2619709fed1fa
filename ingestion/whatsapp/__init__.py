"""Uploaded exports of WhatsApp chats: rows of an upload into raw."""
