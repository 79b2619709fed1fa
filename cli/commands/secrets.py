"""``synkro secrets``: rotation of the keys that seal integrations' secrets."""

from __future__ import annotations

import click

from cli.commands.people import ACTOR
from cli.environment import say
from synkro.connectors import integrations
from synkro.core import vault
from synkro.database import db
from synkro.runs import heartbeats
from synkro.tenancy import audit, tenants


@click.group()
def secrets() -> None:
    """Ключи, которыми закрыты секреты подключений."""


@secrets.command()
def rotate() -> None:
    """Перезаписать все секреты первым ключом из SYNKRO_SECRET_KEYS. Можно прервать и запустить снова.

    Код выхода 1: прежний ключ ещё нужен, и сказано кому.
    """
    done = integrations.rotate(lambda number, total: say(f"  {number} из {total}"))
    with db.as_service("command line") as connection:
        metadata = {"changed": done.changed, "left": len(done.left)}
        audit.write(connection, "secrets.rotate", actor=ACTOR, metadata=metadata)
        slugs = {tenant.tenant_id: tenant.slug for tenant in tenants.visible(connection)}
        older = heartbeats.with_older_keys(connection)
    click.echo(f"Перезаписано секретов — {done.changed}.")
    for tenant_id, kind, field, why in done.left:
        click.echo(f"  {slugs.get(tenant_id, tenant_id)}, {kind}, «{field}»: {why}")
    if older:
        click.echo(
            f"  Работают с прежним ключом: {', '.join(older)}. Перезапустите их, дождитесь запусков и повторите."
        )
    if done.left or older:
        click.echo("Старый ключ убирать нельзя.")
        raise SystemExit(1)
    click.echo("Готово. Старый ключ можно убрать.")


@secrets.command("make-key")
def make_key() -> None:
    """Придумать ключ для SYNKRO_SECRET_KEYS."""
    click.echo(vault.generate_key())
