"""Reading streams: context, start, rows, payload types, batches."""
