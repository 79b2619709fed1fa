"""``synkro audit``: the audit log's chain is verified, anchored and exported."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import click

from cli.output import emit, json_option, table
from services import audit_log
from services.machine import operator
from synkro.database import db
from synkro.tenancy import tenants
from synkro.tenancy.audit import anchors, chain


@click.group("audit")
def audit_group() -> None:
    """Журнал: проверить цепочку записей, отметить её конец вне базы, выгрузить."""


@audit_group.command()
@click.argument("slug", required=False)
@click.option("--anchors", "file", type=click.Path(path_type=Path), help="Файл отметок; обычно SYNKRO_AUDIT_ANCHORS.")
@json_option
def verify(slug: str | None, file: Path | None, as_json: bool) -> None:
    """Пересчитать цепочку каждой компании и сверить с отметками вне базы. Код выхода 1: журнал правили."""
    where = file or anchors.path()
    if file is not None and not file.exists():
        raise click.UsageError(f"файла {file} нет")
    known = list(anchors.read(where))
    with db.as_service("command line") as connection:
        names = {tenant.tenant_id: tenant.slug for tenant in tenants.visible(connection)}
        chosen = [tenants.by_slug(connection, slug).tenant_id] if slug else chain.chains(connection, known)
        of_chain: dict[UUID, list[chain.Anchor]] = {}
        for anchor in known:
            of_chain.setdefault(anchor.chain, []).append(anchor)
        told = [chain.verify(connection, one, of_chain.get(one, ())) for one in chosen]
    names[chain.INSTALLATION] = "установка"
    name_of = {one.chain: names.get(one.chain, str(one.chain)) for one in told}
    breaks = [f"{name_of[one.chain]}: {said}" for one in told for said in one.breaks]
    shown = table(
        ["компания", "записей", "подтверждено отметкой до", ""],
        [(name_of[one.chain], one.lines, one.anchored or "—", "НАРУШЕНА" if one.breaks else "цела") for one in told],
        "Журнал пуст.",
    )
    if not known:
        shown += (
            f"\nОтметок вне базы нет ({where}): переписанную целиком цепочку не найти. Поставьте: synkro audit anchor"
        )
    rows = [{**asdict(one), "chain": name_of[one.chain]} for one in told]
    emit(rows, as_json, "\n".join([shown, *breaks]))
    if breaks:
        raise SystemExit(1)


@audit_group.command()
@click.option("--anchors", "file", type=click.Path(path_type=Path), help="Файл отметок; обычно SYNKRO_AUDIT_ANCHORS.")
def anchor(file: Path | None) -> None:
    """Дописать в файл вне базы, где сейчас кончается каждая цепочка. Сам по себе это раз в час делает движок."""
    where = file or anchors.path()
    with db.as_service("command line") as connection:
        number = anchors.write(connection, where)
    click.echo(f"Отметок добавлено — {number}: {where}" if number else "С прошлой отметки записей не прибавилось.")


@audit_group.command()
@click.argument("slug", required=False)
def export(slug: str | None) -> None:
    """Все записи с их местом в цепочке, по строке JSON: synkro audit export > журнал.jsonl"""
    for line in audit_log.audit_lines(operator(), slug):
        click.echo(json.dumps(line, ensure_ascii=False, default=str))
