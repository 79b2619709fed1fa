"""The outside world as local HTTP servers: amoCRM, Radist, Telegram and a language model, around an invented company."""
