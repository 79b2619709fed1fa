"""Companies and people: tenants, users, invitations, runtime configuration, rubric, topics, the audit log."""
