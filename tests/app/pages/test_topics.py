"""The topics of a company as its administrators change them, and old readings after a topic is gone.

Seen red: an edit that kept the old English name; a removed topic's key shown as it is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest

from analysis.topics import pack
from app.texts import RU
from services import companies
from services.access import Viewer
from services.settings import topics
from services.settings.topics import Typed
from synkro.core.errors import DataError, NotFoundError
from synkro.database import db
from synkro.reporting import readings
from synkro.reporting.readings import StoredReading
from synkro.tenancy import audit
from synkro.tenancy import topics as stored
from tests.app.conftest import Site
from tests.app.fixtures import World

Who = Callable[[str], Viewer]
FURNITURE = pack("furniture").catalogue


def company(who: Who, chosen: str = "furniture") -> str:
    slug = f"t{uuid4().hex[:10]}"
    companies.add_tenant(who("operator"), slug, slug, "Asia/Almaty", chosen)
    return slug


def test_a_company_begins_with_the_pack_it_was_given(world: World, who: Who) -> None:
    operator = who("operator")
    for chosen, version in (("core", 0), ("clinic", 1)):
        slug = company(who, chosen)
        view = topics.load(who("operator"), slug)
        assert (view.pack.key, view.chosen.version, view.is_own) == (chosen, version, False)
        assert view.catalogue == pack(chosen).catalogue
    with pytest.raises(DataError, match="Набора тем «zoo» нет"):
        companies.add_tenant(operator, "Ещё", f"x{uuid4().hex[:8]}", "Asia/Almaty", "zoo")


def test_a_change_keeps_the_rest_and_the_pack_written_out_is_the_pack(world: World, who: Who) -> None:
    slug, operator = company(who), who("operator")
    operator = who("operator")
    look = FURNITURE.by_key["look"]
    as_it_is = Typed(look.name, ", ".join(look.words), "\n".join(look.unless), "\n".join(look.examples))
    assert topics.put(operator, slug, "look", as_it_is, 1) == stored.TopicList("furniture", None, 1)

    saved = topics.put(operator, slug, "look", Typed(" Вид ", "цвет; Оттенок\n\nпалитра,"), 1)
    assert saved.version == 2 and saved.topics is not None
    changed = {one.key: one for one in saved.topics}["look"]
    assert changed == stored.Topic("look", "Вид", ("цвет", "оттенок", "палитра"))
    assert [one for one in saved.topics if one.key != "look"] == [one for one in FURNITURE.topics if one.key != "look"]
    # back to what the pack has: it follows the pack again
    assert topics.put(operator, slug, "look", as_it_is, 2).topics is not None  # the English name went with the old one
    assert topics.choose(operator, slug, "furniture", 3) == stored.TopicList("furniture", None, 4)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (Typed("", "цвет"), "name: название пустое"),
        (Typed("Цена и расчёт", "цвет"), "name: тема «Цена и расчёт» уже есть"),
        (Typed("Вид", " , \n"), "words: у темы «Вид» нет слов"),
        (Typed("Вид", "цвет", "цв(ет"), "unless: «цв(ет» не подходит"),
        (Typed("Вид", "цвет", "", "<b>"), "examples: «<b>» не подходит"),
    ],
)
def test_what_is_wrong_is_told_with_its_field(world: World, who: Who, typed: Typed, said: str) -> None:
    slug = company(who)
    with pytest.raises(DataError) as refused:
        topics.put(who("operator"), slug, "look", typed, 1)
    assert refused.value.message.startswith(said)
    assert topics.load(who("operator"), slug).chosen.version == 1


def test_merge_and_removal(world: World, who: Who) -> None:
    slug, operator = company(who), who("operator")
    operator = who("operator")
    merged = topics.merge(operator, slug, "size", "look", 1)
    assert merged.topics is not None and "size" not in {one.key for one in merged.topics}
    look = {one.key: one for one in merged.topics}["look"]
    assert set(look.words) == {*FURNITURE.by_key["look"].words, *FURNITURE.by_key["size"].words}
    # a model is told the first six: some of both
    assert look.words[:6] == (*FURNITURE.by_key["look"].words[:3], *FURNITURE.by_key["size"].words[:3])
    with pytest.raises(DataError, match="выберите другую тему"):
        topics.merge(operator, slug, "look", "look", 2)
    with pytest.raises(NotFoundError, match="Темы уже нет"):
        topics.merge(operator, slug, "size", "look", 2)
    removed = topics.remove(operator, slug, "look", 2)
    assert removed.topics is not None and "look" not in {one.key for one in removed.topics}
    with pytest.raises(NotFoundError, match="Темы уже нет"):
        topics.extend(operator, slug, "look", ["штора"], 3)
    # a key that was used is never used again
    made = {topics.put(operator, slug, None, Typed(f"Моя {n}", "штора"), 3 + n).topics[-1].key for n in range(3)}  # type: ignore[index]
    assert len(made) == 3 and made.isdisjoint(FURNITURE.by_key)
    with db.as_service("test") as connection:
        tenant = next(one.tenant for one in companies.installation(operator).tenants if one.tenant.slug == slug)
        said = [
            entry for entry in audit.recent(connection, tenant_id=tenant.tenant_id) if entry.action == "topics.changed"
        ]
    assert [entry.metadata["version"] for entry in said] == [6, 5, 4, 3, 2]
    assert RU["action.topics.changed"]


def test_who_saw_an_older_list_overwrites_nothing(world: World, who: Who) -> None:
    slug = company(who)
    topics.remove(who("operator"), slug, "look", 1)
    for late in (
        lambda: topics.remove(who("operator"), slug, "size", 1),
        lambda: topics.choose(who("operator"), slug, "clinic", 1),
        lambda: topics.put(who("operator"), slug, None, Typed("Шторы", "штора"), 1),
    ):
        with pytest.raises(DataError, match="изменил другой человек"):
            late()
    assert topics.load(who("operator"), slug).chosen.version == 2


async def test_a_topic_that_is_gone_is_other_on_the_page_of_a_dialog(site: Site, world: World) -> None:
    items = [{"kind": kind, "message_ids": ["alpha0-0"], "quote": "сколько"} for kind in ("price", "own_gone", "other")]
    with db.as_service("test") as connection:
        reading = StoredReading("alpha:d/0", "h", "rules-1", "rules", {"topics": items})
        readings.store(connection, world.tenants["alpha"].tenant_id, reading)
    person = await site.person("user")
    await person.open("/t/alpha/dialogs/alpha%3Ad%2F0")
    await person.should_see("Цена и расчёт; Другое")
    await person.should_not_see("own_gone")
