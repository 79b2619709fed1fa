"""Radist.Online: dialogs of WhatsApp, Telegram and whatever it connects next; read-only."""
