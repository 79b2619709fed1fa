"""``synkro telegram``: which chats get a company's reports."""

from __future__ import annotations

import click

from cli.output import emit, json_option, table
from services.machine import operator
from services.settings import configuration
from synkro.metrics.queries import plain
from synkro.reporting.delivery import telegram_chats


@click.group()
def telegram() -> None:
    """Чаты Telegram, которые получают отчёты компании."""


@telegram.command("code")
@click.argument("slug")
@json_option
def telegram_code(slug: str, as_json: bool) -> None:
    """Одноразовый код: кто отправит его боту в своём чате, подключит этот чат. Действует 10 минут."""
    made = configuration.telegram_code(operator(), slug)
    private = (
        f"В личном чате откройте: {made.link}"
        if made.link
        else f"В личном чате отправьте боту: /start {made.code}\nСсылка появится после synkro integration check {slug} telegram."
    )
    emit(
        {"code": made.code, "link": made.link, "group_command": made.command, "expires_at": plain(made.expires_at)},
        as_json,
        f"Код {made.code} действует {telegram_chats.CODE_MINUTES} минут и один раз.\n{private}\n"
        f"В группе добавьте бота и отправьте: {made.command}",
    )


@telegram.command("list")
@click.argument("slug")
@json_option
def telegram_list(slug: str, as_json: bool) -> None:
    """Подключённые чаты."""
    chats = configuration.chats(operator(), slug)
    emit(
        [{"chat_id": chat.chat_id, "title": chat.title} for chat in chats],
        as_json,
        table(
            ["ЧАТ", "НАЗВАНИЕ"],
            [[chat.chat_id, chat.title or "—"] for chat in chats],
            f"Чатов пока нет. Подключите: synkro telegram code {slug}.",
        ),
    )


@telegram.command("unbind", context_settings={"ignore_unknown_options": True})
@click.argument("slug")
@click.argument("chat_id")
def telegram_unbind(slug: str, chat_id: str) -> None:
    """Отключить чат CHAT_ID: он больше ничего не получит, и его может подключить другая компания."""
    configuration.unbind_chat(operator(), slug, chat_id)
    click.echo("Чат отключён.")
