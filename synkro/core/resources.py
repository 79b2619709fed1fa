"""Files of the product that are no Python: the migrations, the dbt project, the Dagster template.

In the tree they stand in its root, where each tool looks for them. A wheel carries them inside this package (``setup.py``),
because pip installs nothing beside packages.
"""

from __future__ import annotations

from pathlib import Path

from synkro.core.settings import ROOT

INSTALLED = Path(__file__).resolve().parents[1] / "data"
_HOME = INSTALLED if INSTALLED.is_dir() else ROOT

MIGRATIONS = _HOME / "supabase" / "migrations"
DBT_PROJECT = _HOME / "transforms"
DAGSTER_TEMPLATE = _HOME / "dagster.yaml"
