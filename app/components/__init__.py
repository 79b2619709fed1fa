"""Building blocks of the pages: marks and tables, charts, forms, actions. Texts go in as text, never as HTML."""
