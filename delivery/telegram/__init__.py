"""The Telegram Bot API: its client, markup, updates, errors, rate limit."""
