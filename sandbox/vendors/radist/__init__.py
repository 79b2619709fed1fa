"""Radist.Online API v2 over HTTP."""
