"""Questions about a report: the metric layer, the search, the answer."""
