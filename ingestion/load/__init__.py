"""Loading batches into raw by dlt: destination, staging, raw tables."""
