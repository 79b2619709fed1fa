"""What an account is made of, in the vendor's spelling: the account itself, users, pipelines, reasons, field definitions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from starlette.requests import Request

from sandbox.company.model import Manager, Pipeline
from sandbox.company.verticals import DELIVERY_FIELD, DISTRICT_FIELD, EMAIL_FIELD, PHONE_FIELD, SOURCE_FIELD, SOURCES
from sandbox.company.world import World
from sandbox.vendors.amocrm.query import base, link

ACCOUNT_ID = 30_000_001
FIELDS: dict[str, list[tuple[int, str, str, str | None]]] = {
    "leads": [
        (SOURCE_FIELD, "Источник", "select", None),
        (DISTRICT_FIELD, "Район", "text", None),
        (DELIVERY_FIELD, "Дата доставки", "date", None),
    ],
    "contacts": [(PHONE_FIELD, "Телефон", "multitext", "PHONE"), (EMAIL_FIELD, "Email", "multitext", "EMAIL")],
    "companies": [],
}
PHONE_ENUMS = {"WORK": 301, "WORKDD": 302, "MOB": 303, "FAX": 304, "HOME": 305, "OTHER": 306}
EMAIL_ENUMS = {"WORK": 311, "PRIV": 312, "OTHER": 313}


def uuid_of(*parts: object) -> str:
    return str(UUID(bytes=hashlib.blake2b("|".join(map(str, parts)).encode(), digest_size=16).digest()))


def account(world: World, request: Request, wanted: set[str], switches: Mapping[str, Any]) -> dict[str, Any]:
    company = world.company
    offset = world.now().astimezone(company.zone).strftime("%z")
    row: dict[str, Any] = {
        "id": ACCOUNT_ID,
        "name": company.name,
        "subdomain": company.subdomain,
        "created_at": 1_700_000_000,
        "created_by": 0,
        "updated_at": 1_720_000_000,
        "updated_by": 0,
        "current_user_id": company.managers[-2].id,
        "country": "KZ",
        "currency": "KZT",
        "currency_symbol": "₸",
        "customers_mode": "unavailable",
        "is_unsorted_on": True,
        "mobile_feature_version": 0,
        "is_loss_reason_enabled": True,
        "is_helpbot_enabled": False,
        "is_technical_account": False,
        "contact_name_display_order": 1,
    }
    optional = {
        "amojo_id": uuid_of(company.seed, "amojo"),
        "uuid": uuid_of(company.seed, "account"),
        "version": 11,
        "drive_url": "https://drive.amocrm.example",
        "is_api_filter_enabled": switches["is_api_filter_enabled"],
    }
    row |= {name: value for name, value in optional.items() if name in wanted}
    row["_links"] = {"self": {"href": f"{base(request)}/api/v4/account"}}
    embedded: dict[str, Any] = {
        "users_groups": [{"id": 0, "name": "Отдел продаж", "uuid": None}],
        "task_types": [
            {"id": i, "name": n, "color": None, "icon_id": None, "code": c}
            for i, n, c in ((1, "Связаться", "FOLLOW_UP"), (2, "Встреча", "MEETING"))
        ],
        "datetime_settings": {
            "date_pattern": "d.m.Y H:i",
            "short_date_pattern": "d.m.Y",
            "short_time_pattern": "H:i",
            "date_format": "d.m.Y",
            "time_format": "H:i:s",
            "timezone": company.timezone,
            "timezone_offset": f"{offset[:3]}:{offset[3:]}",
        },
    }
    embedded = {name: value for name, value in embedded.items() if name in wanted}
    return row | ({"_embedded": embedded} if embedded else {})


def user(request: Request, manager: Manager, wanted: set[str]) -> dict[str, Any]:
    every = dict.fromkeys(("view", "edit", "add", "delete", "export"), "A")
    rights: dict[str, Any] = {name: dict(every) for name in ("leads", "contacts", "companies")}
    rights |= {
        "tasks": {"edit": "A", "delete": "A"},
        "mail_access": False,
        "catalog_access": True,
        "is_admin": manager.is_admin,
        "is_free": False,
    }
    rights |= {"is_active": manager.is_active, "group_id": 0, "role_id": None, "status_rights": []}
    row: dict[str, Any] = {
        "id": manager.id,
        "name": manager.name,
        "email": manager.email,
        "lang": "ru",
        "rights": rights,
    }
    if "uuid" in wanted:
        row["uuid"] = uuid_of(manager.id)
    if "amojo_id" in wanted:
        row["amojo_id"] = uuid_of(manager.id, "amojo")
    if "phone_number" in wanted:
        row["phone_number"] = manager.phone
    embedded: dict[str, list[Any]] = {
        key: [] for name, key in (("role", "roles"), ("group", "groups")) if name in wanted
    }
    return row | {"_links": link(request, f"users/{manager.id}")} | ({"_embedded": embedded} if embedded else {})


def pipeline(request: Request, row: Pipeline) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "sort": row.sort,
        "is_main": row.is_main,
        "is_unsorted_on": True,
        "is_archive": row.is_archive,
        "account_id": ACCOUNT_ID,
        "_links": link(request, f"leads/pipelines/{row.id}"),
        "_embedded": {"statuses": statuses(request, row)},
    }


def statuses(request: Request, row: Pipeline) -> list[dict[str, Any]]:
    return [
        {
            "id": stage.id,
            "name": stage.name,
            "sort": stage.sort,
            "is_editable": not stage.is_incoming and stage.id > 143,
            "pipeline_id": row.id,
            "color": stage.color,
            "type": int(stage.is_incoming),
            "account_id": ACCOUNT_ID,
            "_links": link(request, f"leads/pipelines/{row.id}/statuses/{stage.id}"),
        }
        for stage in row.stages
    ]


def loss_reason(world: World, request: Request, key: int) -> dict[str, Any]:
    return {
        "id": key,
        "name": world.company.loss_reasons[key],
        "sort": 100_000 + key,
        "created_at": 1_700_000_000,
        "updated_at": 1_700_000_000,
        "_links": link(request, f"leads/loss_reasons/{key}"),
    }


def custom_field(request: Request, entity: str, definition: tuple[int, str, str, str | None]) -> dict[str, Any]:
    field_id, name, type_, code = definition
    codes = {"PHONE": PHONE_ENUMS, "EMAIL": EMAIL_ENUMS}.get(code or "", {})
    options = {v: k for k, v in codes.items()} or (SOURCES if type_ == "select" else {})
    return {
        "id": field_id,
        "name": name,
        "type": type_,
        "code": code,
        "sort": field_id,
        "account_id": ACCOUNT_ID,
        "entity_type": entity,
        "group_id": None,
        "is_api_only": False,
        "is_deletable": code is None,
        "is_predefined": code is not None,
        "is_computed": False,
        "required_statuses": [],
        "hidden_statuses": [],
        "enums": [{"id": k, "value": v, "sort": k} for k, v in options.items()] or None,
        "_links": link(request, f"{entity}/custom_fields/{field_id}"),
    }
