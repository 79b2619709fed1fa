"""The kernel: settings, the two doors to Postgres, pure rules and the entities of the control plane."""
