"""Chats from a file, read with nothing connected."""
