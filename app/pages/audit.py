"""``/audit``: who did what, from where. Newest first, a page at a time."""

from __future__ import annotations

import json

from app import formatting
from app.components.base.html import div, empty, link, span, table
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import known, t
from services import audit_log
from services.access import Viewer
from synkro.core import clock
from synkro.tenancy.audit import Entry
from synkro.tenancy.audit.actions import RENAMED


@page("/audit")
async def audit_page(viewer: Viewer, before: int | None = None, tenant: str = "") -> None:
    found = await off_loop(audit_log.audit_page, viewer, tenant or None, before)
    zone = viewer.user.timezone
    with frame(viewer, t("audit.title"), on="audit"):
        with heading(t("audit.title"), t("audit.lead")):
            if found.entries:
                query = f"?tenant={tenant}" if tenant else ""
                link(t("audit.export"), f"/audit/export.csv{query}", "btn small", mark="export-audit", download="")
        if len(viewer.tenants) > 1:
            with div("chips"):
                link(t("audit.all"), "/audit", "chip" if tenant else "chip on")
                for one in viewer.tenants[:30]:
                    if viewer.is_admin(one.tenant_id):
                        link(one.name, f"/audit?tenant={one.slug}", "chip on" if one.slug == tenant else "chip")
        if not found.entries:
            empty("audit", t("audit.empty"), "")
            return
        with div("card flush"):
            table(
                [
                    (t("audit.when"), "nowrap"),
                    (t("audit.action"), "lead"),
                    (t("audit.actor"), ""),
                    (t("audit.company"), ""),
                    (t("audit.detail"), "full"),
                    (t("audit.ip"), "nowrap"),
                ],
                [
                    (
                        formatting.moment(clock.of(entry.created_at), zone),
                        _title(entry.action),
                        entry.actor,
                        found.names.get(entry.tenant_id, "") if entry.tenant_id else "",
                        lambda entry=entry: span("small muted wrap", _detail(entry)),  # type: ignore[misc]
                        entry.ip_address or "",
                    )
                    for entry in found.entries
                ],
                mark="audit",
            )
            if found.next_before is not None:
                query = f"?before={found.next_before}" + (f"&tenant={tenant}" if tenant else "")
                with div("pager"):
                    link(t("pager.older"), f"/audit{query}", "btn small", mark="page-after")


def _title(action: str) -> str:
    key = f"action.{RENAMED.get(action, action)}"
    return t(key) if known(key) else action


def _detail(entry: Entry) -> str:
    parts = [entry.message] if entry.message else []
    if entry.metadata:
        parts.append(json.dumps(entry.metadata, ensure_ascii=False))
    return " · ".join(parts)
