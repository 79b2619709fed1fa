"""``synkro secrets``: rotation of the keys that seal integrations' secrets."""

from __future__ import annotations

import click

from cli.environment import say
from cli.people import ACTOR
from synkro import audit, db, integrations, vault


@click.group()
def secrets() -> None:
    """Ключи, которыми закрыты секреты подключений."""


@secrets.command()
def rotate() -> None:
    """Перезаписать все секреты первым ключом из SYNKRO_SECRET_KEYS. Можно прервать и запустить снова."""
    changed = integrations.rotate(lambda done, total: say(f"  {done} из {total}"))
    with db.as_service("command line") as connection:
        audit.write(connection, "secrets.rotate", actor=ACTOR, metadata={"changed": changed})
    click.echo(f"Готово: перезаписано секретов — {changed}. Старый ключ можно убрать.")


@secrets.command("make-key")
def make_key() -> None:
    """Придумать ключ для SYNKRO_SECRET_KEYS."""
    click.echo(vault.generate_key())
