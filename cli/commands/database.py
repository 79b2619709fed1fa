"""``synkro db``: the embedded server and the migrations."""

from __future__ import annotations

from collections.abc import Callable

import click
import psycopg

from cli.environment import say
from synkro.core.errors import TransientError
from synkro.core.files import secret_file
from synkro.core.settings import settings
from synkro.database import app_login, connections, db, migrations


@click.group("db")
def db_group() -> None:
    """База данных: встроенный Postgres и миграции."""


@db_group.command()
def up() -> None:
    """Запустить встроенный Postgres (или подключиться к настроенному) и применить миграции."""
    prepare(say)
    click.echo("База готова.")


@db_group.command()
@click.option("--delete", is_flag=True, help="И удалить все её данные.")
def down(delete: bool) -> None:
    """Остановить встроенный Postgres этой папки."""
    db.close()
    if delete:
        db.embedded().destroy()
        click.echo("База остановлена и удалена.")
        return
    db.embedded().stop()
    click.echo("База остановлена.")


@db_group.command()
def url() -> None:
    """Напечатать адрес базы для её владельца (в нём пароль)."""
    click.echo(db.owner_url())


@db_group.command("app-url")
@click.option("--port", type=click.IntRange(1, 65535), help="Другой порт: 6543 у transaction pooler Supabase.")
def app_url(port: int | None) -> None:
    """Дать входу приложения (synkro_app) пароль и напечатать его адрес для SYNKRO_APP_DATABASE_URL.

    Пароль придумывается один раз и лежит в папке данных: повторный вызов печатает тот же адрес.
    """
    owner = db.owner_url()
    with connections.connect(owner, "migration", autocommit=True) as connection:
        db.set_app_password(connection, _app_password())
    address = db.with_login(owner, db.APP_ROLE, _app_password())
    click.echo(db.with_port(address, port) if port else address)


def _app_password() -> str:
    return secret_file(settings().data_dir / "app_database_password")


@db_group.command()
def migrate() -> None:
    """Применить миграции и собрать витрины."""
    prepare(say)
    click.echo("Миграции применены.")


def prepare(progress: Callable[[str], None]) -> None:
    """Server up, migrations applied, the app's login ready, views and empty tables of dbt in place."""
    from orchestration.dbt.project import deploy

    owner = db.owner_url()
    try:
        migrations.migrate(owner, progress=progress)
        if settings().database_url is None:
            with connections.connect(owner, "migration", autocommit=True) as connection:
                db.set_app_password(connection, _app_password())
        else:
            app_login.settle(owner)
    except psycopg.OperationalError as error:
        raise TransientError(
            "База данных не отвечает. Проверьте SYNKRO_DATABASE_URL и что сервер запущен.", detail=str(error)
        ) from None
    deploy(owner, settings().data_dir, progress)
