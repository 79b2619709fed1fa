"""Runs: the queue, leases, the reaper, watermarks, the initial history, heartbeats of processes."""
