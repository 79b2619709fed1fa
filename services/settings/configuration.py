"""Settings of a tenant: integrations with their secrets, and the runtime configuration.

A secret goes in and never comes out: what is read here is the public part and the hints (last four characters, date).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services import access
from services.access import Actor, Viewer
from services.people import members
from synkro.connectors import checks, integrations
from synkro.connectors.integrations import FIELDS, Integration, Kind
from synkro.connectors.registry import CONNECTORS
from synkro.core.errors import DataError, SynkroError
from synkro.core.log import redact
from synkro.core.settings import settings as environment
from synkro.database import db
from synkro.reporting.delivery import telegram_chats
from synkro.reporting.delivery.telegram_chats import Chat, Code
from synkro.tenancy import audit, pipelines, runtime_config, users
from synkro.tenancy.audit.actions import Action
from synkro.tenancy.invitations import Invitation
from synkro.tenancy.pipelines import Pipeline
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
    #: as they were read last
    pipelines: list[Pipeline] = field(default_factory=list)


def load(who: Actor, slug: str) -> SettingsView:
    """Everything the settings page shows. For administrators: :class:`~services.access.Forbidden` for others."""
    tenant = access.administered(who, slug)
    invited = members.open_invitations(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("pipelines of the settings") as connection:
        # what the vendor's rows say is closed to people
        found = pipelines.read(connection, tenant.tenant_id)
    with access.transaction(who) as connection:
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
            pipelines=found,
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
    who: Actor, slug: str, kind: str, public: Mapping[str, Any] | None, secrets: Mapping[str, str]
) -> Integration:
    """Store the public part as a whole (``None`` leaves it alone) and the secrets given, each field on its own.

    For administrators. A person fills in a form: an empty secret leaves the stored one alone, fields the form hides are
    kept, and a chat is bound by its code alone. The machine's operator sends the document itself: an empty secret removes
    the field, and a chat's number is taken at their word. Audited as ``integration.saved``,
    ``integration.secrets_saved`` and ``integration.secret_removed``. Raises :class:`DataError` naming the field.
    """
    tenant = access.administered(who, slug)
    known = integrations.check_kind(kind)
    is_form = isinstance(who, Viewer)
    values, given = dict(public or {}), dict(secrets)
    if is_form:
        values = {name: _public_value(name, value) for name, value in values.items() if str(value).strip()}
        given = {name: typed for name, value in given.items() if (typed := (value or "").strip())}
    for value in values.values():
        if isinstance(value, str) and _TOKEN.search(value):
            raise DataError("Похоже, в открытое поле вставлен токен. Перенесите его в поле секрета.")
    if is_form and known == "telegram" and set(_BOUND) & set(values):
        raise DataError("Чат подключается кодом, который отправляют в нём боту, а не номером.")
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        if public is not None:
            before = integrations.find(connection, tenant.tenant_id, known)
            if is_form:
                values |= {name: before.public[name] for name in _HIDDEN if before and name in before.public}
            integrations.save_public(connection, tenant.tenant_id, known, values, who.user_id)
            access.note(
                connection,
                who,
                "integration.saved",
                tenant_id=tenant.tenant_id,
                metadata={"kind": known, "public": audit.changes(before.public if before else {}, values)},
            )
        if not is_form:
            # this transaction may write secrets: the document is saved whole or not at all
            _save_secrets(connection, who, tenant, known, given)
    if is_form and given:
        with db.as_service("save secrets") as connection:
            _save_secrets(connection, who, tenant, known, given)
    with access.transaction(who) as connection:
        return integrations.load(connection, tenant.tenant_id, known)


def _save_secrets(
    connection: db.Connection, who: Actor, tenant: Tenant, kind: Kind, secrets: Mapping[str, str]
) -> None:
    """The secrets and the lines about them in one transaction: neither is there without the other."""
    integrations.save_secrets(connection, tenant.tenant_id, kind, secrets)
    saved, removed = sorted(filter(secrets.get, secrets)), sorted(name for name in secrets if not secrets[name])
    actions: tuple[tuple[Action, list[str]], ...] = (
        ("integration.secrets_saved", saved),
        ("integration.secret_removed", removed),
    )
    for action, names in actions:
        if names:
            metadata = {"kind": kind, "secrets": names}
            access.note(connection, who, action, tenant_id=tenant.tenant_id, metadata=metadata)


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


def telegram_code(who: Actor, slug: str) -> Code:
    """A one-time code that binds the chat it is sent in; shown once. For administrators; audited as ``telegram.code_made``.

    Raises :class:`DataError` before the bot's token is saved.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("telegram code") as connection:
        made = telegram_chats.new_code(connection, tenant.tenant_id, who.user_id)
        access.note(connection, who, "telegram.code_made", tenant_id=tenant.tenant_id)
        return made


def unbind_chat(who: Actor, slug: str, chat_id: str) -> Integration:
    """The chat gets no more reports, and may be bound by another company. For administrators; audited as ``telegram.unbound``.

    Raises :class:`NotFoundError` for a chat that is no recipient.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
    with db.as_service("telegram unbind") as connection:
        telegram_chats.unbind(
            connection,
            tenant.tenant_id,
            chat_id,
            actor=who.name,
            actor_id=who.user_id,
            ip_address=who.ip_address,
        )
        return integrations.load(connection, tenant.tenant_id, "telegram")


def telegram(who: Actor, slug: str) -> Integration:
    """The connection as it is now: a chat may have been bound meanwhile. For administrators."""
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        return integrations.load(connection, tenant.tenant_id, "telegram")


def chats(who: Actor, slug: str) -> list[Chat]:
    """The chats that get the company's reports; none where no bot is connected. For administrators."""
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        found = integrations.find(connection, tenant.tenant_id, "telegram")
    return telegram_chats.chats(found.public) if found else []


@dataclass(frozen=True)
class Checked:
    is_ok: bool
    message: str
    seconds: float
    integration: Integration
    failure: SynkroError | None = None


def check_integration(who: Actor, slug: str, kind: str) -> Checked:
    """One harmless request to the vendor, from the server; what it said is stored with the integration.

    For administrators; audited as ``integration.checked``. Raises :class:`NotFoundError` for a kind that is not connected.
    """
    tenant = access.administered(who, slug)
    known = integrations.check_kind(kind)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        integrations.load(connection, tenant.tenant_id, known)
    started = time.monotonic()
    failure: SynkroError | None = None
    try:
        checks.run(tenant.tenant_id, known)
    except SynkroError as error:
        failure = error
    message = redact(failure.message) if failure else ""
    seconds = time.monotonic() - started
    with access.transaction(who) as connection:
        access.note(
            connection,
            who,
            "integration.checked",
            tenant_id=tenant.tenant_id,
            metadata={"kind": known, "ok": not message},
        )
        found = integrations.load(connection, tenant.tenant_id, known)
        return Checked(failure is None, message, seconds, found, failure)


# --- runtime ----------------------------------------------------------------------------------------------

#: the fields of the form, in its order; ``calendar`` has an editor of its own
RUNTIME_FIELDS = (
    "mode",
    "timezone",
    "business_day_start",
    "is_schedule_enabled",
    "scheduled_run_time",
    "delivery_time",
    "delivery_days",
    "is_weekly_enabled",
    "is_monthly_enabled",
    "sales_pipelines",
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


def save_runtime(who: Actor, slug: str, values: Mapping[str, Any]) -> RuntimeConfig:
    """A new version with these values, if they change anything. For administrators; audited as ``runtime.changed``.

    Raises :class:`DataError` naming the field.
    """
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        return save_settings(connection, who, tenant, values)


def save_settings(connection: db.Connection, who: Actor, tenant: Tenant, values: Mapping[str, Any]) -> RuntimeConfig:
    """The same in the caller's transaction, which has asked for the right."""
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


def runtime(who: Actor, slug: str) -> RuntimeConfig:
    """The runtime configuration in force. For administrators."""
    tenant = access.administered(who, slug)
    with access.transaction(who) as connection:
        access.check_admin_now(connection, who, tenant.tenant_id)
        return runtime_config.current(connection, tenant.tenant_id)


def text_of(value: Any) -> str:
    """A runtime value as its form field shows it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return value.strftime("%H:%M") if hasattr(value, "strftime") else str(value)
