"""``synkro read``: chats from a file, read with nothing connected."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analysis import topics
from cli.environment import say
from synkro.errors import DataError
from synkro.topics import CORE


def _pack(_: click.Context, __: click.Parameter, value: str | None) -> topics.Pack:
    try:
        return topics.pack(value or CORE)
    except DataError as error:
        raise click.BadParameter(error.message) from None


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--business",
    "pack",
    metavar="НАБОР",
    callback=_pack,
    help=f"Набор тем по роду дела: {', '.join(topics.names()[1:])}. Без него — общие темы (core). Набор записывается в каждую строку.",
)
@click.option("--us", "ours", multiple=True, metavar="ИМЯ", help="Кто в чате WhatsApp наш; можно несколько раз.")
@click.option("--timezone", default="Asia/Almaty", show_default=True, help="Пояс для времени без смещения.")
@click.option("--html", "as_html", is_flag=True, help="Одна страница HTML вместо строк JSON.")
def read(file: Path, pack: topics.Pack, ours: tuple[str, ...], timezone: str, as_html: bool) -> None:
    """Прочитать чаты из ФАЙЛА (строки JSON или выгрузка WhatsApp), ничего не подключая.

    На каждый чат — строка JSON: прочитанное и для каждого сообщения needs_reply, reason и confidence.
    """
    from analysis import chat_file, chat_page, chat_reading

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("Файл не в кодировке UTF-8.") from None
    except OSError as error:
        raise DataError(f"Файл не прочитан: {file} ({error.strerror}).") from None
    found = chat_file.parse(text, name=file.name, us=ours, timezone=timezone)
    if found.ours:
        say(f"Наша сторона: {', '.join(found.ours)} ({found.told_by}). Иначе укажите: --us ИМЯ")
    seen = [chat_reading.read(chat, pack.catalogue) for chat in found.chats]
    if as_html:
        click.echo(chat_page.page(seen))
        return
    for one in seen:
        row = one.to_json()
        if pack.key != CORE:
            row["business"] = pack.key
        click.echo(json.dumps(row, ensure_ascii=False))
