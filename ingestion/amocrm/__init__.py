"""amoCRM and Kommo: deals, contacts, events and calls. See README.md."""
