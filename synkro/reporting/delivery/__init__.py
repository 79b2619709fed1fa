"""How a report gets to chats: what awaits its delivery, the outbox, the chats of a company, reports that are missing."""
