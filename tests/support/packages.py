"""The Python packages of the product, for tests that read every file of them."""

from __future__ import annotations

#: what is installed at a customer's; ``sandbox`` is installed beside it, for the demo
PRODUCT = ("synkro", "ingestion", "analysis", "delivery", "orchestration", "services", "app", "cli")
ALL = (*PRODUCT, "sandbox")
