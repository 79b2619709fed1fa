"""``synkro serve``: the processes, their supervisor and their end."""
