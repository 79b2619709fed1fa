"""How old what people read may get before Dagster says so: a business day, and what a late night takes."""

from __future__ import annotations

from datetime import timedelta

from dagster import FreshnessPolicy

#: the report of a day comes every 24 h; 26 h without one is the moment the operator is told as well
DAILY = FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))
