"""Accounts, members of a company, one's own profile."""
