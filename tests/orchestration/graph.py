"""The asset graph as a readable text file: ``python -m tests.orchestration.graph`` writes it, ``--check`` looks at it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dagster import AssetKey, Definitions

FILE = Path(__file__).with_name("asset_graph.txt")


def picture(definitions: Any) -> str:
    """The graph as text, a line an asset with what it is, then what it is made of and what is checked of it."""
    graph = definitions.resolve_asset_graph()
    pools = {
        key: definition.op.pool
        for definition in definitions.assets
        if hasattr(definition, "op")
        for key in definition.keys
    }
    checks: dict[AssetKey, list[str]] = {}
    for one in graph.asset_check_keys:
        checks.setdefault(one.asset_key, []).append(one.name + ("!" if graph.get(one).blocking else ""))
    lines = []
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        dimensions = [d.name for d in node.partitions_def.partitions_defs] if node.partitions_def else []
        facts = {
            "group": node.group_name,
            "kinds": "+".join(sorted(node.kinds)),
            "owners": "+".join(node.owners),
            "partitions": "×".join(sorted(dimensions)) or "-",
            "pool": pools.get(key) or "-",
            "freshness": "26h" if node.freshness_policy is not None else "-",
        }
        lines.append(f"{key.to_user_string()}  " + " ".join(f"{name}={value}" for name, value in facts.items()))
        lines += [f"    from {parent.to_user_string()}" for parent in sorted(node.parent_keys)]
        lines += [f"    check {name}" for name in sorted(checks.get(key, []))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    from orchestration.definitions import build

    made = build()
    # what ``dagster definitions validate`` asks, without an instance
    Definitions.validate_loadable(made)
    if "--check" not in sys.argv:
        FILE.write_text(picture(made), encoding="utf-8")
    elif FILE.read_text(encoding="utf-8") != picture(made):
        sys.exit(
            "The asset graph has changed. If it should: python -m tests.orchestration.graph, and look at the difference."
        )
