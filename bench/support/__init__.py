"""What measurements share: environment, readers, processes, linear models."""
