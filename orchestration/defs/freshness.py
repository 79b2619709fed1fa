"""How old what people read may get before Dagster says so: a business day, and what a late night takes."""

from __future__ import annotations

from datetime import timedelta

from dagster import FreshnessPolicy

from synkro.reporting.delivery.missing_reports import LIMIT

#: the report of a day comes every 24 h; its limit is the moment the operator is told as well
DAILY = FreshnessPolicy.time_window(fail_window=LIMIT, warn_window=LIMIT - timedelta(hours=1))
