"""What a company is connected to: integrations and their secrets, vendor accounts, checks, tokens."""
