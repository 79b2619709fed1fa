"""The core: settings, the two entry points to Postgres, pure rules and the entities of the control plane."""
