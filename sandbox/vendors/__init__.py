"""The vendors as local HTTP servers."""
