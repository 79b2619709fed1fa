"""Parts of the pages about reports."""
