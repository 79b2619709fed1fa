"""Settings of a tenant: integrations with their secrets, and the runtime configuration.

A secret goes in and never comes out: what is read here is the public part and the hints (last four characters, date).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services import access
from services.access import Viewer
from services.people import members
from synkro.connectors import checks, integrations
from synkro.connectors.integrations import FIELDS, Integration, Kind
from synkro.connectors.registry import CONNECTORS
from synkro.core.errors import DataError, SynkroError
from synkro.core.log import redact
from synkro.core.settings import settings as environment
from synkro.database import db
from synkro.reporting import telegram_chats
from synkro.reporting.telegram_chats import Code
from synkro.tenancy import audit, runtime_config, users
from synkro.tenancy.invitations import Invitation
from synkro.tenancy.runtime_config import RuntimeConfig
from synkro.tenancy.tenants import Tenant
from synkro.tenancy.users import Membership, User

#: set by the operator for local sandboxes; hidden where local vendors are not allowed
_LOCAL_ONLY = {
    "telegram": {"base_url"},
    **{name: {field.name for field in one.fields if field.is_local} for name, one in CONNECTORS.items()},
}
#: the operator's business, a pace for one: not on the form, kept when the form is saved
_HIDDEN = {field.name for one in CONNECTORS.values() for field in one.fields if field.is_hidden}
#: recipients are bound by a code, not typed
_BOUND = ("chat_id", "chat_titles")
_TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{20,}")


@dataclass(frozen=True)
class SettingsView:
    tenant: Tenant
    integrations: dict[Kind, Integration]
    config: RuntimeConfig
    versions: list[dict[str, Any]]
    people: list[tuple[User, Membership]]
    #: not accepted yet
    invitations: list[Invitation]
    may_change: bool


def load(who: Viewer, slug: str) -> SettingsView:
    """For administrators: :class:`~services.access.Forbidden` for others of the tenant."""
    tenant = access.administered(who, slug)
    invited = members.open_invitations(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        names = {
            row["user_id"]: row["full_name"] or row["email"]
            for row in connection.execute("select user_id, email, full_name from synkro.user_profiles")
        }
        versions = [
            {**row, "author": names.get(row["created_by"], "")}
            for row in runtime_config.history(connection, tenant.tenant_id)
        ]
        connected = integrations.all_of(connection, tenant.tenant_id)
        return SettingsView(
            tenant=tenant,
            integrations={
                kind: connected.get(kind) or Integration(tenant.tenant_id, kind) for kind in integrations.KINDS
            },
            config=runtime_config.current(connection, tenant.tenant_id),
            versions=versions,
            people=users.people_of(connection, tenant.tenant_id),
            invitations=invited,
            may_change=True,
        )


# --- integrations -----------------------------------------------------------------------------------------


def form_fields(kind: Kind) -> tuple[list[str], list[str]]:
    """Names of the public and the secret fields the form shows."""
    local = environment().allow_local_vendors
    public = [
        name
        for name in FIELDS[kind][0]
        if name not in (*_HIDDEN, *_BOUND) and (local or name not in _LOCAL_ONLY.get(kind, ()))
    ]
    return public, list(FIELDS[kind][1])


def choices(kind: Kind, name: str) -> tuple[str, ...]:
    """The values a public field may have; none for a text."""
    found = CONNECTORS.get(kind)
    return next((field.choices for field in found.fields if field.name == name), ()) if found else ()


def save_integration(
    who: Viewer, slug: str, kind: str, public: Mapping[str, str], secrets: Mapping[str, str]
) -> Integration:
    """Store the public part and the secrets that were typed; an empty secret leaves the stored one alone."""
    tenant = access.administered(who, slug)
    known = integrations.check_kind(kind)
    values = {name: _public_value(name, value) for name, value in public.items() if str(value).strip()}
    for value in values.values():
        if isinstance(value, str) and _TOKEN.search(value):
            raise DataError("Похоже, в открытое поле вставлен токен. Перенесите его в поле секрета.")
    if known == "telegram" and set(_BOUND) & set(values):
        raise DataError("Чат подключается кодом, который отправляют в нём боту, а не номером.")
    typed = {name: value.strip() for name, value in secrets.items() if value and value.strip()}
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        before = integrations.find(connection, tenant.tenant_id, known)
        kept = {name: before.public[name] for name in _HIDDEN if before and name in before.public}
        integrations.save_public(connection, tenant.tenant_id, known, {**kept, **values}, who.user_id)
        access.note(
            connection,
            who,
            "integration.saved",
            tenant_id=tenant.tenant_id,
            metadata={"kind": known, "public": audit.changes(before.public if before else {}, {**kept, **values})},
        )
    if typed:
        _save_secrets(who, tenant, known, typed)
    with db.as_user(who.user_id) as connection:
        return integrations.load(connection, tenant.tenant_id, known)


def _save_secrets(who: Viewer, tenant: Tenant, kind: Kind, secrets: Mapping[str, str]) -> None:
    """The secrets and the line about them in one transaction: neither is there without the other."""
    with db.as_service("save secrets") as connection:
        integrations.save_secrets(connection, tenant.tenant_id, kind, secrets)
        access.note(
            connection,
            who,
            "integration.secrets_saved",
            tenant_id=tenant.tenant_id,
            metadata={"kind": kind, "secrets": sorted(secrets)},
        )


def _public_value(name: str, value: str) -> Any:
    text = str(value).strip()
    if name in ("daily_cap_usd", "monthly_cap_usd"):
        try:
            value_usd = float(text.replace(",", "."))
        except ValueError:
            value_usd = -1.0
        if not 0 <= value_usd < 1e9:
            raise DataError(f"{name}: «{text}» — не число. Укажите сумму в долларах, например 50.")
        return value_usd
    return text


def telegram_code(who: Viewer, slug: str) -> Code:
    """A one-time code that binds the chat it is sent in; shown once."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        access.note(
            connection,
            who,
            "telegram.code_made",
            tenant_id=tenant.tenant_id,
        )
    with db.as_service("telegram code") as connection:
        return telegram_chats.new_code(connection, tenant.tenant_id, who.user_id)


def unbind_chat(who: Viewer, slug: str, chat_id: str) -> Integration:
    """The chat gets no more reports, and may be bound by another company."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
    with db.as_service("telegram unbind") as connection:
        telegram_chats.unbind(
            connection,
            tenant.tenant_id,
            chat_id,
            actor=who.user.email,
            actor_id=who.user_id,
            ip_address=who.ip_address,
        )
        return integrations.load(connection, tenant.tenant_id, "telegram")


def telegram(who: Viewer, slug: str) -> Integration:
    """The connection as it is now: a chat may have been bound meanwhile."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        return integrations.load(connection, tenant.tenant_id, "telegram")


@dataclass(frozen=True)
class Checked:
    is_ok: bool
    message: str
    seconds: float
    integration: Integration


def check_integration(who: Viewer, slug: str, kind: str) -> Checked:
    """One harmless request to the vendor, from the server; what it said is stored with the integration."""
    tenant = access.administered(who, slug)
    known = integrations.check_kind(kind)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        integrations.load(connection, tenant.tenant_id, known)
    started = time.monotonic()
    message = ""
    try:
        checks.run(tenant.tenant_id, known)
    except SynkroError as error:
        message = redact(error.message)
    seconds = time.monotonic() - started
    with db.as_user(who.user_id) as connection:
        access.note(
            connection,
            who,
            "integration.checked",
            tenant_id=tenant.tenant_id,
            metadata={"kind": known, "ok": not message},
        )
        return Checked(not message, message, seconds, integrations.load(connection, tenant.tenant_id, known))


# --- runtime ----------------------------------------------------------------------------------------------

#: the fields of the form, in its order; ``calendar`` has an editor of its own
RUNTIME_FIELDS = (
    "mode",
    "timezone",
    "business_day_start",
    "is_schedule_enabled",
    "scheduled_run_time",
    "is_weekly_enabled",
    "is_monthly_enabled",
    "sla_target_minutes",
    "session_gap_hours",
    "min_dialogs_for_report",
    "radist_fetch_limit",
    "max_force_lookback_days",
    "max_force_window_hours",
    "telegram_followup_minutes",
    "telegram_questions_per_hour",
    "telegram_questions_per_day",
    "followup_attempts",
    "followup_pause_minutes",
    "excluded_phones",
    "bot_senders",
    "quality_rubric",
)


def validate(values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by field; empty when all is well."""
    wrong = {}
    for key, value in values.items():
        try:
            runtime_config.parse({key: value})
        except SynkroError as error:
            wrong[key] = error.message
    return wrong


def save_runtime(who: Viewer, slug: str, values: Mapping[str, Any]) -> RuntimeConfig:
    """A new version with these values; raises :class:`DataError` naming the field."""
    tenant = access.administered(who, slug)
    with db.as_user(who.user_id) as connection:
        access.check_admin_now(connection, tenant.tenant_id)
        before = runtime_config.current(connection, tenant.tenant_id)
        after = runtime_config.change(connection, tenant.tenant_id, values, who.user_id)
        if after.version != before.version:
            changed = audit.changes(runtime_config.by_name(before), runtime_config.by_name(after))
            access.note(
                connection,
                who,
                "runtime.changed",
                tenant_id=tenant.tenant_id,
                metadata={"version": after.version, "changed": changed},
            )
        return after


def text_of(value: Any) -> str:
    """A runtime value as its form field shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value.strftime("%H:%M") if hasattr(value, "strftime") else str(value)
