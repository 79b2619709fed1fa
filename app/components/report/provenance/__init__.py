"""Where a report's numbers come from: what was read, what was restated, what changed between versions."""
