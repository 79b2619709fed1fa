"""The report on its way to people: Telegram messages from the outbox, and questions that come back."""
