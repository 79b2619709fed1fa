"""The invented company: people, scenarios, texts, and the world the vendors show."""
