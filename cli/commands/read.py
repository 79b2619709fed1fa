"""``synkro read``: chats from a file, read with nothing connected, or with a company's AI provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analysis import topics
from cli.environment import say
from synkro.core.errors import DataError
from synkro.tenancy.topics import CORE

if TYPE_CHECKING:
    from analysis.chats.files import Chat
    from analysis.chats.reading import ChatReading
    from analysis.topics import Catalogue
    from synkro.connectors.integrations import Integration
    from synkro.tenancy.tenants import Tenant


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
@click.option("--ai", "by_ai", is_flag=True, help="Читать моделью AI, подключённой у компании.")
@click.option("--tenant", "slug", help="Код компании для --ai; не нужен, если AI подключён у одной.")
@click.option("--html", "as_html", is_flag=True, help="Одна страница HTML вместо строк JSON.")
def read(
    file: Path, pack: topics.Pack, ours: tuple[str, ...], timezone: str, by_ai: bool, slug: str | None, as_html: bool
) -> None:
    """Прочитать чаты из ФАЙЛА (строки JSON или выгрузка WhatsApp), ничего не подключая.

    На каждый чат — строка JSON: прочитанное и для каждого сообщения needs_reply, reason и confidence.
    С --ai диалоги читает модель, подключённая у компании, в пределах её лимитов; needs_reply решается так же.
    """
    from analysis.chats import files, html_page, reading

    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError("Файл не в кодировке UTF-8.") from None
    except OSError as error:
        raise DataError(f"Файл не прочитан: {file} ({error.strerror}).") from None
    found = files.parse(text, name=file.name, us=ours, timezone=timezone)
    if found.ours:
        say(f"Наша сторона: {', '.join(found.ours)} ({found.told_by}). Иначе укажите: --us ИМЯ")
    if slug and not by_ai:
        raise click.UsageError("--tenant нужен только вместе с --ai.")
    if by_ai:
        seen = _by_ai(found.chats, slug, pack.catalogue)
    else:
        seen = [reading.read(chat, pack.catalogue) for chat in found.chats]
    if as_html:
        click.echo(html_page.page(seen))
        return
    for one in seen:
        row = one.to_json()
        if pack.key != CORE:
            row["business"] = pack.key
        click.echo(json.dumps(row, ensure_ascii=False))


def _by_ai(chats: Sequence[Chat], slug: str | None, topics: Catalogue) -> list[ChatReading]:
    """The chats read by the company's provider; its calls are journalled and capped like those of a report."""
    from analysis.chats.reading import read_by_model
    from analysis.llm.budget import Budget, DatabaseLedger, caps_of
    from analysis.llm.limits import Limits
    from analysis.llm.prices import price_of
    from analysis.llm.provider import Provider
    from synkro.connectors import integrations
    from synkro.core.settings import settings
    from synkro.http import allowlist

    tenant, ai = _company(slug)
    env, limits = settings(), Limits()
    secrets = integrations.secrets(tenant.tenant_id, "ai")
    base_url = allowlist.ai_base_url(ai.public, env.allow_local_vendors)
    price, note = price_of(str(ai.public.get("model") or ""), allowlist.is_loopback_url(base_url), env.ai_prices)
    budget = Budget(price, caps_of(ai.public, env), DatabaseLedger(tenant.tenant_id, None))

    async def run() -> list[ChatReading]:
        async with Provider(
            ai.public, secrets.get("api_key", ""), budget=budget, limits=limits, allow_local=env.allow_local_vendors
        ) as provider:
            own = str(ai.public.get("prompt") or "")
            return await read_by_model(chats, provider, topics=topics, own_prompt=own, at_once=limits.concurrency)

    seen = asyncio.run(run())
    failed = [one for one in seen if one.note]
    say(
        f"Модель: {ai.public.get('model')}; прочитано {len(seen) - len(failed)} из {len(seen)}, {budget.spent:.6f} $. {note}".rstrip()
    )
    if failed:
        say(f"По правилам прочитано {len(failed)}: {failed[0].note}")
    return seen


def _company(slug: str | None) -> tuple[Tenant, Integration]:
    """The company named, or the only one with AI connected."""
    from synkro.connectors import integrations
    from synkro.database import db
    from synkro.tenancy import tenants

    with db.as_service("command line") as connection:
        companies = [tenants.by_slug(connection, slug)] if slug else tenants.visible(connection)
        found = [
            (one, ai) for one in companies if (ai := integrations.find(connection, one.tenant_id, "ai")) is not None
        ]
    if not found:
        raise DataError("AI не подключён: заполните интеграцию «AI» в настройках компании.")
    if len(found) > 1:
        raise DataError(
            f"AI подключён у нескольких компаний. Укажите --tenant: {', '.join(one.slug for one, _ in found)}."
        )
    tenants.ensure_active(found[0][0])
    return found[0]
