"""The operator's use cases over companies: see them all, add, edit, pause, disable and resume one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from analysis import topics as known
from services import access
from services.access import Actor
from services.settings import configuration
from synkro.core.errors import DataError
from synkro.core.settings import settings
from synkro.database import db
from synkro.reporting import spending
from synkro.reporting.delivery import outbox
from synkro.reporting.spending import Spend
from synkro.runs import heartbeats, queue
from synkro.tenancy import audit, runtime_config, tenants, topics
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.topics import CORE


@dataclass(frozen=True)
class TenantLine:
    tenant: Tenant
    last_run: dict[str, Any] | None
    failures_7d: int
    people: int
    #: None while no model was ever asked and no report made
    spend: Spend | None


@dataclass(frozen=True)
class Installation:
    tenants: list[TenantLine]
    #: service → last heartbeat
    beats: dict[str, datetime]
    failed_letters: int
    #: spent on AI today (UTC) by everybody, US dollars
    spent_today: Decimal
    #: the operator's caps, of SYNKRO_AI_*_CAP_USD
    caps: Mapping[str, Decimal]


def installation(who: Actor) -> Installation:
    """Every company with its last run and its costs. For the operator: :class:`~services.access.Forbidden` for others."""
    if not who.is_operator:
        raise access.Forbidden(access.OPERATORS_DO)
    env = settings()
    caps = {
        "call": env.ai_call_cap_usd,
        "report": env.ai_report_cap_usd,
        "tenant_day": env.ai_tenant_day_cap_usd,
        "installation_day": env.ai_day_cap_usd,
    }
    with access.transaction(who) as connection:
        access.check_operator_now(connection, who)
        spend = spending.overview(connection)
        lines = [_line(connection, tenant, spend.get(tenant.tenant_id)) for tenant in tenants.visible(connection)]
        letters = connection.execute("select count(*) as n from synkro.outbox where status = 'failed'").fetchone()
    with db.as_service("operator") as connection:
        beats = heartbeats.last_beats(connection)
    today = sum((one.today for one in spend.values()), Decimal(0))
    return Installation(lines, beats, letters["n"] if letters else 0, today, caps)


def _line(connection: db.Connection, tenant: Tenant, spend: Spend | None) -> TenantLine:
    last = connection.execute(
        "select run_id, status, error, window_end, created_at, finished_at from synkro.job_runs where tenant_id = %s"
        " order by created_at desc limit 1",
        (tenant.tenant_id,),
    ).fetchone()
    counts = connection.execute(
        "select (select count(*) from synkro.job_runs where tenant_id = %(t)s and status = 'failed'"
        "  and created_at > now() - interval '7 days') as failures,"
        " (select count(*) from synkro.user_roles where tenant_id = %(t)s and is_active) as people",
        {"t": tenant.tenant_id},
    ).fetchone()
    return TenantLine(
        tenant,
        last,
        counts["failures"] if counts else 0,
        counts["people"] if counts else 0,
        spend,
    )


def add_tenant(who: Actor, name: str, slug: str, timezone: str, pack: str = CORE) -> Tenant:
    """A new tenant with version 1 of its settings. For the operator; audited as ``tenant.added``.

    Raises :class:`DataError` on a bad or taken slug, or an unknown pack.
    """
    known.pack(pack)
    with access.transaction(who) as connection:
        access.check_operator_now(connection, who)
    # RETURNING would ask the policy about a row its snapshot does not hold yet: the service entry point, after the check
    with db.as_service("add tenant") as connection:
        made = tenants.add(connection, name, slug.strip(), timezone)
        runtime_config.start(connection, made.tenant_id, timezone, who.user_id)
        if pack != CORE:
            topics.save(connection, made.tenant_id, pack, None, after=0, actor=who.user_id)
        access.note(
            connection,
            who,
            "tenant.added",
            tenant_id=made.tenant_id,
            metadata={"slug": made.slug, "name": made.name},
        )
    return made


def edit(who: Actor, slug: str, *, name: str | None = None, timezone: str | None = None) -> Tenant:
    """Another name, another zone. For the operator; audited as ``tenant.renamed`` and ``runtime.changed``.

    The zone is a setting of the company (its administrator has it among the others): the next version holds it, the
    schedule follows it, and the next run counts the windows anew. Raises :class:`DataError` on an empty name or an unknown
    zone: nothing is changed then.
    """
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        access.check_operator_now(connection, who)
        if name is not None and name.strip() != tenant.name:
            tenants.rename(connection, tenant.tenant_id, name)
            changed = audit.changes({"name": tenant.name}, {"name": name.strip()})
            access.note(connection, who, "tenant.renamed", tenant_id=tenant.tenant_id, metadata={"changed": changed})
        if timezone is not None:
            configuration.save_settings(connection, who, tenant, {"timezone": timezone})
        return tenants.by_id(connection, tenant.tenant_id)


_ACTIONS: Mapping[str, Action] = {
    "active": "tenant.resumed",
    "paused": "tenant.paused",
    "disabled": "tenant.disabled",
}


def set_status(who: Actor, slug: str, status: str) -> Tenant:
    """Pause, disable or resume. For the operator; audited as ``tenant.paused``, ``tenant.disabled`` or ``tenant.resumed``.

    A paused company's schedule is silent. A disabled one is closed: its people do not see it, what runs is stopped, what
    waits to be sent is not sent, then or later; its data stays.
    """
    if status not in _ACTIONS:
        raise DataError("Компанию можно поставить на паузу, отключить или снова включить.")
    tenant = access.tenant(who, slug)
    with access.transaction(who) as connection:
        access.check_operator_now(connection, who)
        tenants.set_status(connection, tenant.tenant_id, status)  # type: ignore[arg-type]
        if status == "disabled":
            for run in queue.active(connection, tenant.tenant_id):
                queue.request_stop(connection, tenant.tenant_id, run.run_id)
        access.note(connection, who, _ACTIONS[status], tenant_id=tenant.tenant_id)
        changed = tenants.by_id(connection, tenant.tenant_id)
    if status == "disabled":
        with db.as_service("disable company") as connection:
            outbox.give_up(connection, tenant.tenant_id, "Компания отключена: сообщение не отправлено.")
    return changed
