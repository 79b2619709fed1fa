"""The numbers of a report: as they are shown, against what is usual, beyond noise, and whose the difference is."""
