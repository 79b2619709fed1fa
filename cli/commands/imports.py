"""``synkro import``: data that people bring as files."""

from __future__ import annotations

from pathlib import Path

import click

from cli.environment import say
from cli.output import emit, json_option
from services.machine import operator
from services.settings import chat_imports
from synkro.connectors.whatsapp import archive
from synkro.connectors.whatsapp.importing import FileResult, Upload


@click.group("import")
def import_group() -> None:
    """Загрузить данные из файлов."""


@import_group.command("whatsapp")
@click.argument("slug", metavar="КОМПАНИЯ")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--managers", default="", metavar="ИМЕНА", help="Имена сотрудников в чатах, через запятую; без них — прежние."
)
@click.option("--phone", default="", metavar="НОМЕР", help="Телефон клиента, если файл один и номера в нём нет.")
@json_option
@click.pass_context
def whatsapp(
    context: click.Context, slug: str, files: tuple[Path, ...], managers: str, phone: str, as_json: bool
) -> None:
    """Загрузить выгрузки чатов WhatsApp (.txt или .zip, файл на чат). Их читает следующий запуск отчёта."""
    if phone and len(files) > 1:
        raise click.UsageError("--phone относится к одному чату: загрузите его файл отдельно.")

    def tell(one: FileResult) -> None:
        if not as_json:
            say(
                f"✗ {one.error}"
                if one.error
                else f"✓ {one.name}: новых сообщений {one.messages}, повторов {one.repeated}"
            )

    uploads = [Upload(path.name, _bytes(path), phone) for path in files]
    done = chat_imports.save(operator(), slug, uploads, managers, tell)
    emit(done.as_json(), as_json, done.sentence())
    if done.failed:
        context.exit(1)


def _bytes(path: Path) -> bytes:
    """The file's bytes, one more than is taken at most: a larger one is refused by its size."""
    with path.open("rb") as file:
        return file.read(archive.LARGEST + 1)
