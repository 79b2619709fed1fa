"""Pure rules and the process itself: errors, log lines, settings, windows of time, the calendar, phones, Russian words, sealed secrets."""
