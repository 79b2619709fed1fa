"""What is said about a window: reports and their versions, outbox, readings, reconciliation, restatements."""
