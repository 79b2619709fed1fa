"""The runtime configuration of a tenant: versioned, each change a new row with its author and time.

Also fills ``synkro.working_intervals``, the calendar expanded to UTC, from which the marts count working minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from synkro.connectors import registry
from synkro.core import calendar as working
from synkro.core import clock
from synkro.core.errors import DataError, NotFoundError
from synkro.core.phones import normalise
from synkro.core.windows import zone
from synkro.database import db
from synkro.tenancy import rubric

#: which connectors a company's runs read, see :func:`synkro.connectors.registry.modes`
Mode = str
MODES: tuple[Mode, ...] = tuple(registry.modes())


@dataclass(frozen=True)
class RuntimeConfig:
    """Field names are the keys of ``synkro runtime set`` (product.md, architecture.md §5)."""

    timezone: str
    mode: Mode = MODES[0]
    business_day_start: time = time(22, 1)
    scheduled_run_time: time = time(22, 10)
    #: when a report that a schedule has built is sent; None: right after it is built
    delivery_time: time | None = None
    #: names of weekdays; empty: the days on which anybody works
    delivery_days: list[str] = field(default_factory=list)
    is_schedule_enabled: bool = False
    #: with the schedule on: the week before on Monday, the month before on its first working day
    is_weekly_enabled: bool = True
    is_monthly_enabled: bool = True
    #: dialogs read per run at most; 0 = all of them
    radist_fetch_limit: int = 0
    min_dialogs_for_report: int = 1
    max_force_lookback_days: int = 3
    max_force_window_hours: int = 24
    telegram_followup_minutes: int = 60
    #: what one chat may ask: an answer costs a call of the AI
    telegram_questions_per_hour: int = 20
    telegram_questions_per_day: int = 100
    #: runs that try to complete a report that lacks something; 0 = none
    followup_attempts: int = 4
    #: before the first of them; doubles with each
    followup_pause_minutes: int = 30
    sla_target_minutes: int = 15
    session_gap_hours: int = 24
    calendar: dict[str, Any] | None = None
    excluded_phones: list[str] = field(default_factory=list)
    bot_senders: list[str] = field(default_factory=list)
    #: numbers of the pipelines whose deals count as sales; none: all that are not in the archive
    sales_pipelines: list[str] = field(default_factory=list)
    #: lines of synkro/tenancy/rubric.py; empty: the product's own rubric
    quality_rubric: list[str] = field(default_factory=list)
    version: int = 0

    @property
    def sources(self) -> tuple[str, ...]:
        """The connectors this mode reads."""
        return registry.modes()[self.mode]


#: columns of ``synkro.tenant_runtime_configs`` that make a :class:`RuntimeConfig`
NAMES = [f.name for f in fields(RuntimeConfig)]

#: SQL: since when the schedule of tenant ``t`` has been in force: active, and the unbroken row of versions that have it on.
#: ``offset`` is the clock's: the versions' ``created_at`` are business moments, ``status_since`` is the server's own stamp
SCHEDULE_SINCE = """
greatest(
  t.status_since + %(offset)s,
  (select min(v.created_at) from synkro.tenant_runtime_configs v
   where v.tenant_id = t.tenant_id and v.version > coalesce(
     (select max(o.version) from synkro.tenant_runtime_configs o
      where o.tenant_id = t.tenant_id and not o.is_schedule_enabled), 0)))
"""
_BOUNDS = {
    "radist_fetch_limit": (0, 1_000_000),
    "min_dialogs_for_report": (0, 100_000),
    "max_force_lookback_days": (0, 3650),
    "max_force_window_hours": (1, 8784),
    "telegram_followup_minutes": (0, 10_080),
    "telegram_questions_per_hour": (1, 1000),
    "telegram_questions_per_day": (1, 10_000),
    "followup_attempts": (0, 10),
    "followup_pause_minutes": (5, 1440),
    "sla_target_minutes": (1, 10_080),
    "session_gap_hours": (1, 720),
}


def current(connection: db.Connection, tenant_id: UUID) -> RuntimeConfig:
    """The version in force; raises :class:`NotFoundError` for a tenant the entry point does not show."""
    row = connection.execute(
        f"select {', '.join(NAMES)} from synkro.tenant_runtime_configs where tenant_id = %s and is_current",
        (tenant_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError("Настройки запуска компании не найдены.")
    return RuntimeConfig(**row)


def by_name(config: RuntimeConfig) -> dict[str, Any]:
    """The settings by their names, without the version's number."""
    return {name: getattr(config, name) for name in NAMES if name != "version"}


def history(connection: db.Connection, tenant_id: UUID, limit: int = 20) -> list[dict[str, Any]]:
    """Versions, newest first, with author and time."""
    return connection.execute(
        f"select {', '.join(NAMES)}, created_at, created_by from synkro.tenant_runtime_configs"
        " where tenant_id = %s order by version desc limit %s",
        (tenant_id, limit),
    ).fetchall()


def start(connection: db.Connection, tenant_id: UUID, timezone: str, actor: UUID | None = None) -> RuntimeConfig:
    """Version 1 of a new tenant."""
    config = RuntimeConfig(timezone=zone(timezone).key)
    _insert(connection, tenant_id, config, actor)
    return replace(config, version=1)


def parse(values: Mapping[str, Any]) -> dict[str, Any]:
    """Texts (from a form or the command line) to typed values; raises :class:`DataError` naming the key and the cure."""
    return {key: _parse_one(key, value) for key, value in values.items()}


def _parse_one(key: str, value: Any) -> Any:
    if key == "version" or key not in NAMES:
        known = ", ".join(name for name in NAMES if name != "version")
        raise DataError(f"Настройки {key} нет. Есть: {known}.")
    if key == "timezone":
        return zone(str(value)).key
    if key == "mode":
        if value not in MODES:
            raise DataError(f"mode: «{value}» не подходит, выберите одно из: {', '.join(MODES)}.")
        return value
    if key == "delivery_time" and (value is None or not str(value).strip()):
        return None
    if key == "delivery_days":
        return _weekdays(_list(key, value or []))
    if key in ("business_day_start", "scheduled_run_time", "delivery_time"):
        try:
            parsed = value if isinstance(value, time) else time.fromisoformat(str(value))
        except ValueError:
            raise DataError(f"{key}: «{value}» — не время. Укажите часы и минуты, например 22:01.") from None
        return parsed.replace(second=0, microsecond=0, tzinfo=None)
    if key in ("is_schedule_enabled", "is_weekly_enabled", "is_monthly_enabled"):
        if isinstance(value, bool):
            return value
        text = str(value).strip().lower()
        if text not in ("true", "false", "1", "0", "yes", "no", "да", "нет"):
            raise DataError(f"{key}: «{value}» — укажите true или false.")
        return text in ("true", "1", "yes", "да")
    if key == "calendar":
        parsed = _json(key, value)
        working.parse(parsed)
        return parsed
    if key == "excluded_phones":
        return [_phone(part) for part in _list(key, value)]
    if key == "quality_rubric":
        return rubric.parse(_json(key, value) if isinstance(value, str) and value.lstrip().startswith("[") else value)
    if key == "bot_senders":
        return _list(key, value)
    if key == "sales_pipelines":
        return sorted({_pipeline(part) for part in _list(key, value)}, key=int)
    low, high = _BOUNDS[key]
    try:
        number = int(str(value).strip())
    except ValueError:
        raise DataError(f"{key}: «{value}» — не целое число. Укажите число от {low} до {high}.") from None
    if not low <= number <= high:
        raise DataError(f"{key}: {number} вне пределов. Укажите число от {low} до {high}.")
    return number


def _json(key: str, value: Any) -> Any:
    import json

    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except ValueError as error:
        raise DataError(f"{key}: это не JSON ({error}). Проверьте кавычки и скобки.") from None


def _list(key: str, value: Any) -> list[str]:
    if isinstance(value, str):
        value = _json(key, value) if value.lstrip().startswith("[") else [part for part in value.split(",")]
    if not isinstance(value, list):
        raise DataError(f'{key}: нужен список, например ["первый", "второй"].')
    return [str(part).strip() for part in value if str(part).strip()]


def _weekdays(names: list[str]) -> list[str]:
    """Days as the calendar calls them, in the order of the week; Russian short names are understood as well."""
    russian = dict(zip(("пн", "вт", "ср", "чт", "пт", "сб", "вс"), working.WEEKDAYS, strict=True))
    found = {russian.get(name.lower(), name.lower()) for name in names}
    if unknown := sorted(found - {*working.WEEKDAYS}):
        raise DataError(
            f"delivery_days: «{unknown[0]}» — не день недели. Укажите дни через запятую: {', '.join(working.WEEKDAYS)}."
        )
    return [day for day in working.WEEKDAYS if day in found]


def _pipeline(raw: str) -> str:
    if not raw.isascii() or not raw.isdecimal():
        raise DataError(f"sales_pipelines: «{raw}» — не номер воронки. Укажите номера воронок amoCRM через запятую.")
    return str(int(raw))


def _phone(raw: str) -> str:
    phone = normalise(raw)
    if phone is None:
        raise DataError(
            f"excluded_phones: «{raw}» не похоже на номер телефона. Укажите его целиком, например +77000000001."
        )
    return phone


def change(
    connection: db.Connection, tenant_id: UUID, values: Mapping[str, Any], actor: UUID | None = None
) -> RuntimeConfig:
    """Write a new version with these values changed; an unchanged configuration makes none.

    A calendar with ``valid_from`` joins the one there is, any other replaces it.
    """
    before = current(connection, tenant_id)
    parsed = parse(values)
    if "calendar" in parsed:
        parsed["calendar"] = working.merged(before.calendar, parsed["calendar"])
    after = replace(before, **parsed)
    if after == before:
        return before
    try:
        connection.execute(
            "update synkro.tenant_runtime_configs set is_current = false where tenant_id = %s and is_current",
            (tenant_id,),
        )
        after = replace(after, version=before.version + 1)
        _insert(connection, tenant_id, after, actor)
    except psycopg.errors.UniqueViolation:
        raise DataError("Настройки только что изменил другой человек. Обновите страницу и повторите.") from None
    return after


def _insert(connection: db.Connection, tenant_id: UUID, config: RuntimeConfig, actor: UUID | None) -> None:
    values = {**asdict(config), "version": max(config.version, 1)}
    values["calendar"] = Jsonb(config.calendar) if config.calendar is not None else None
    connection.execute(
        # since when the version is in force: waits are measured by the one of their moment
        f"insert into synkro.tenant_runtime_configs (tenant_id, created_by, created_at, {', '.join(NAMES)})"
        f" values (%(tenant)s, %(actor)s, now() + %(offset)s, {', '.join(f'%({name})s' for name in NAMES)})",
        {"tenant": tenant_id, "actor": actor, "offset": clock.offset(), **values},
    )


def fill_working_intervals(
    connection: db.Connection, tenant_id: UUID, config: RuntimeConfig, first: date, last: date
) -> None:
    """Replace the tenant's expanded calendar with the days ``[first, last]`` (service entry point).

    The range must cover every wait: from the first message to the last deadline. Windows of days on which the calendar
    says something else than before are marked: their numbers are to be built again.
    """
    spans = working.intervals(working.parse(config.calendar), config.timezone, first, last + timedelta(days=1))
    rows = connection.execute(
        "select starts_at, ends_at from synkro.working_intervals where tenant_id = %s order by starts_at", (tenant_id,)
    ).fetchall()
    changed = working.first_difference([(row["starts_at"], row["ends_at"]) for row in rows], spans)
    if changed is not None:
        # a wait lasts seven days at most: one opened so long before may be measured by the new hours
        connection.execute(
            "update synkro.report_windows set is_outdated = true where tenant_id = %s and window_end > %s",
            (tenant_id, changed - timedelta(days=7)),
        )
    connection.execute("delete from synkro.working_intervals where tenant_id = %s", (tenant_id,))
    passed = 0.0
    with (
        connection.cursor() as cursor,
        cursor.copy("copy synkro.working_intervals (tenant_id, starts_at, ends_at, minutes_before) from stdin") as copy,
    ):
        for starts_at, ends_at in spans:
            copy.write_row((tenant_id, starts_at, ends_at, passed))
            passed += (ends_at - starts_at).total_seconds() / 60
