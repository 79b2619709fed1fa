"""Assets in the order the data takes: vendors → raw → marts → readings → report → Telegram."""
