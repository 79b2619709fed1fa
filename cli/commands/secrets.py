"""``synkro secrets``: rotation of the keys that seal integrations' secrets."""

from __future__ import annotations

import click

from cli.environment import say
from services import secret_keys
from services.machine import operator
from synkro.core import vault


@click.group()
def secrets() -> None:
    """Ключи, которыми закрыты секреты подключений."""


@secrets.command()
def rotate() -> None:
    """Перезаписать все секреты первым ключом из SYNKRO_SECRET_KEYS. Можно прервать и запустить снова.

    Код выхода 1: прежний ключ ещё нужен, и сказано кому.
    """
    done = secret_keys.rotate(operator(), lambda number, total: say(f"  {number} из {total}"))
    click.echo(f"Перезаписано секретов — {done.changed}.")
    for owner, kind, field, why in done.left:
        click.echo(f"  {owner}, {kind}, «{field}»: {why}")
    if done.older:
        click.echo(
            f"  Работают с прежним ключом: {', '.join(done.older)}. Перезапустите их, дождитесь запусков и повторите."
        )
    if not done.is_whole:
        click.echo("Старый ключ убирать нельзя.")
        raise SystemExit(1)
    click.echo("Готово. Старый ключ можно убрать.")


@secrets.command("make-key")
def make_key() -> None:
    """Придумать ключ для SYNKRO_SECRET_KEYS."""
    click.echo(vault.generate_key())
