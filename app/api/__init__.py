"""REST: the same JSON as the command line, for the person whose browser session asks."""
