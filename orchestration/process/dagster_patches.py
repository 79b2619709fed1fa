"""Everything in which we lean on Dagster's insides, and what happens where they have changed.

Measured on dagster 1.13.27 and dagster-postgres 0.29.27 (the bounds stand in pyproject.toml). Each function says what it
buys; without the attribute it leans on, the product works as before, slower or with a plainer page. One is an exception:
the web server does not start without its key.
"""

from __future__ import annotations

from dagster import AssetKey, MaterializeResult


def without_event(key: AssetKey, status: str) -> MaterializeResult:
    """An output of a step that lets the next steps go on and says of its asset nothing.

    Dagster skips every step below an output that was not yielded, and an output that was yielded is a materialization. The
    report is built though a vendor is down, and its streams have not been read. Dagster's own observations of
    sources carry a mark that writes no event; without the mark the asset is shown as materialized, with the ``status``.
    """
    try:
        from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION as NO_EVENT
    except ImportError:
        return MaterializeResult(asset_key=key, metadata={"status": status, "dagster/row_count": 0})
    return MaterializeResult(asset_key=key, metadata={NO_EVENT: True, "status": status})
