"""Whether the next move is ours after a client's message, why, and how sure that is. Pure: no input, no output."""
