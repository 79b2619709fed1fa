"""Chats that a phone exports from WhatsApp, uploaded as files."""
