"""Reports, their runs, rows, transcripts, questions, exports."""
