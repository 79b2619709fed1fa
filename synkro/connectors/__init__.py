"""What a company is connected to: one declaration a vendor (``registry.py``), integrations and their secrets, accounts, checks."""
