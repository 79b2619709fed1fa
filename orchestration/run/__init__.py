"""One run: its worker, the windows it registers, what its log says, its result, the policy of revisions."""
