"""Parts of the pages about settings and people."""
