"""dbt in this process: the project's builds, invocation, and what a build has to touch."""
