"""Radist.Online: dialogs and messages of WhatsApp, Telegram and whatever it connects next. See README.md."""
