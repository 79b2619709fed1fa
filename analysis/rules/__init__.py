"""The reader without a key: patterns, phrases, dictionary forms, promises and their deadlines."""
