"""amoCRM and Kommo: deals, contacts, managers; read-only."""
