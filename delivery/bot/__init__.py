"""The bot people write to: its inbox, conversation, binding of chats."""
