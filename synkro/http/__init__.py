"""The one outbound HTTP factory: allow-list, read-only vendors, deadlines, rate limits, redaction."""
