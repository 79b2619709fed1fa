"""Topics: packs that hold what they must, words found whatever their endings, questions without a topic, and the cache.

Seen red: an earlier list's reading kept though its topic had changed; a topic's key missing in the prompt.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis import topics
from analysis.llm import prompts
from analysis.reading.normalisation import folded
from analysis.report import aggregates
from analysis.report.claims import Claims
from analysis.report.dialogs import read_dialogs
from analysis.rules import reader
from analysis.topics import Catalogue, pack
from analysis.topics.grouping import Question, groups
from analysis.topics.matching import matcher
from analysis.topics.packs import load
from bench import corpus
from bench import topics as measured
from cli.commands.read import read as read_command
from synkro.core.errors import ConfigurationError, DataError
from synkro.database import db
from synkro.tenancy import topics as stored
from synkro.tenancy.rubric import DEFAULT
from synkro.tenancy.topics import Topic, TopicList
from tests.analysis.conftest import Model
from tests.analysis.inputs import FURNITURE, item, read
from tests.analysis.mart_fixtures import Shop
from tests.analysis.report.test_report import report
from tests.analysis.rules.test_rules import dialog

GENERAL = pack("core").catalogue
BUSINESSES = ("auto_service", "clinic", "education", "furniture", "real_estate", "wholesale", "windows")


def found(catalogue: Catalogue, text: str) -> set[str]:
    return {key for key, _ in matcher(catalogue).find(folded(text))}


# --- packs --------------------------------------------------------------------------------------------------


def test_every_trade_has_the_general_topics_and_its_own() -> None:
    assert topics.names() == ("core", *BUSINESSES)
    for name in BUSINESSES:
        one = pack(name)
        assert set(GENERAL.by_key) < set(one.catalogue.by_key), name
        assert one.name and one.name_en and not any("а" <= c <= "я" for c in one.name_en.lower())
        for topic in one.catalogue.topics:
            assert topic.name_en and topic.words and not any("а" <= c <= "я" for c in topic.name_en.lower()), topic.key
            # an example is found by the topic's own words, or it is no example
            missing = [said for said in topic.examples if topic.key not in found(one.catalogue, said)]
            assert missing == [], (name, topic.key)


def test_an_unknown_pack_is_answered_with_those_there_are() -> None:
    with pytest.raises(DataError, match=r"Набора тем «zoo» нет\. Есть: core, auto_service, .*wholesale"):
        pack("zoo")
    assert "auto_service" in (read_command.params[1].help or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "zoo.toml не читается"),
        ('name = "З"\n[topics.a1]\nname = "A"', "нужны name и name_en"),
        ('name = "З"\nname_en = "Z"', "нет ни одной темы"),
        ('name = "З"\nname_en = "Z"\ntopic = 1\n[topics.a1]\nname = "А"', "неизвестные поля topic"),
        ('name = "З"\nname_en = "Z"\n[topics]\na1 = "слово"', "тема a1: нужна таблица"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "А"\nname_en = "A"\nword = ["лев"]', "тема a1: неизвестные поля word"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nwords = ["лев"]', "тема a1, поле name_en: название пустое"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nname_en = "Lion"\nwords = "лев"', "поле words: нужен список"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nname_en = "Lion"\nwords = []', "поле words: у темы «Лев» нет слов"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nname_en = "Lion"\nwords = ["лев,"]', "поле words: «лев,» не подходит"),
        ('name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nname_en = "Lion"\nwords = ["ле*"]', "перед звёздочкой"),
        ('name = "З"\nname_en = "Z"\n[topics.other]\nname = "Лев"\nname_en = "Lion"\nwords = ["лев"]', "key: «other» не подходит"),
        (
            'name = "З"\nname_en = "Z"\n[topics.a1]\nname = "Лев"\nname_en = "L"\nwords = ["лев"]\n[topics.a2]\nname = "лев"\nname_en = "M"\nwords = ["львица"]',
            "тема «лев» уже есть",
        ),
    ],
)  # fmt: skip
def test_a_wrong_pack_is_named_with_its_topic_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "zoo.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        load(path)
    assert said in refused.value.message and "zoo.toml" in refused.value.message


@pytest.mark.parametrize(
    ("topic", "said"),
    [
        (Topic("a1", " ", ("лев",)), "name: название пустое"),
        (Topic("a1", "Л" * 61, ("лев",)), "name: название длиннее 60"),
        (Topic("a1", "<b>", ("лев",)), "name: «<b>» не подходит"),
        (Topic("a1", "Лев", ()), "words: у темы «Лев» нет слов"),
        (Topic("a1", "Лев", ("л",)), "words: «л» — одна буква"),
        (Topic("a1", "Лев", ("лев", "*лев")), "words: «*лев» не подходит"),
        (
            Topic("a1", "Лев", ("раз два три четыре пять шесть семь",)),
            "words: «раз два три четыре пять шесть семь» не подходит",
        ),
        (Topic("a1", "Лев", ("лев",), unless=("тигр!",)), "unless: «тигр!» не подходит"),
        (Topic("a1", "Лев", ("лев",), examples=("{лев}",)), "examples: «{лев}» не подходит"),
        (Topic("a1", "Лев", ("лев",), examples=tuple(map(str, range(11)))), "examples: примеров 11"),
        (Topic("a1", "Лев", tuple(f"лев{n}" for n in range(121))), "words: слов 121"),
    ],
)
def test_a_wrong_topic_is_named_with_its_field(topic: Topic, said: str) -> None:
    with pytest.raises(DataError) as refused:
        stored.check([topic])
    assert refused.value.message.startswith(said.partition(":")[0]) and said in refused.value.message


def test_a_list_has_an_end_and_a_beginning() -> None:
    with pytest.raises(DataError, match="список пуст"):
        stored.check([])
    with pytest.raises(DataError, match="тем 41"):
        stored.check([Topic(f"a{n}", f"Лев {n}", ("лев",)) for n in range(41)])
    (kept,) = stored.check([Topic("a1", "  Мой   лев ", (" Мой  Лев ", "мой лев", "ёж", ""))])
    assert (kept.name, kept.words) == ("Мой лев", ("мой лев", "еж"))


# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said", "is_there"),
    [
        (("замер",), "когда приедут на замеры?", True),
        (("замер",), "замёрз совсем", False),
        (("замеры",), "сколько стоит замер", True),
        (("сколько стоит",), "сколько у вас стоит", True),
        (("сколько стоит",), "сколько вас там, и диван как стоял, так и стоит", False),
        (("сколько стоит",), "стоит сколько", False),
        (("жеткіз*",), "жеткізу бар ма", True),
        (("жеткіз*",), "жет", False),
        (("сход-развал",), "сход-развал делаете", True),
        (("оплата картой",), "оплатой по карте", True),
        (("эвакуатор",), "эвакуаторов нет?", True),
        # words no dictionary has: with other endings, if they are long enough
        (("москитка",), "москитки делаете?", True),
        (("имплант",), "по имплантам вопрос", True),
        (("имплант",), "имплантологический центр", False),
        (("мрт",), "мртышка", False),
    ],
)
def test_words_are_found_by_their_dictionary_form(words: tuple[str, ...], said: str, is_there: bool) -> None:
    catalogue = Catalogue(stored.check([Topic("a1", "Тема", words)]))
    assert found(catalogue, said) == ({"a1"} if is_there else set())


def test_a_sentence_with_a_word_of_unless_is_not_about_the_topic() -> None:
    catalogue = Catalogue((Topic("a1", "Фото", ("фото",), unless=("пришлю",)), Topic("a2", "Диван", ("диван",))))
    assert found(catalogue, "фото дивана есть?") == {"a1", "a2"}
    assert found(catalogue, "пришлю фото дивана") == {"a2"}


# --- questions without a topic ------------------------------------------------------------------------------


def kinds(text: str, catalogue: Catalogue = GENERAL) -> list[tuple[str, str]]:
    return [(one.kind, one.quote) for one in reader.read(dialog(text), "Asia/Almaty", topics=catalogue).topics]


def test_a_question_no_topic_covers_is_other() -> None:
    assert kinds("К: Сколько стоит диван?\nМ: 90 000\nК: А шторы тоже шьёте?") == [
        ("price", "Сколько стоит диван?"),
        ("other", "А шторы тоже шьёте?"),
    ]
    # lines sent one after another are one question
    assert [kind for kind, _ in kinds("К: А шторы шьёте?\nК: и сколько стоит")] == ["price"]
    # neither thanks, nor an objection, nor a word alone is one
    assert kinds("К: Спасибо за шторы\nМ: Рады\nК: Дорого, у соседей дешевле\nМ: Понимаю\nК: Алло?") == []


def test_the_same_topic_is_told_once_and_questions_without_one_each() -> None:
    text = (
        "\n".join(f"К: А {word} делаете?\nМ: Да" for word in ("шторы", "ковры", "картины"))
        + "\nК: Цена?\nМ: 5\nК: И цена ковра?"
    )
    assert [kind for kind, _ in kinds(text)] == ["other", "other", "other", "price"]


def test_questions_are_grouped_by_the_words_they_share() -> None:
    asked = [
        Question("d1", ("m1",), "А эвакуатор у вас есть?"),
        Question("d2", ("m2",), "Эвакуатором заберёте машину?"),
        Question("d3", ("m3",), "Машину эвакуатор довезёт?"),
        Question("d3", ("m4",), "А музыку ставите?"),
        Question("d4", ("m5",), "Шторы шьёте?"),
    ]
    first, rest = groups(asked)
    assert first.words == ("эвакуатор", "машина") and [q.dialog_id for q in first.questions] == ["d1", "d2", "d3"]
    # one dialog asking twice shares its words with nobody
    assert rest.words == () and [q.dialog_id for q in rest.questions] == ["d3", "d4"]
    assert groups([]) == []


def test_the_report_counts_and_quotes_them() -> None:
    claims = Claims()
    seen = [
        read("d1", topics=(item("other", "Шторы шьёте?"), item("price"))),
        read("d2", topics=(item("gone", "Шторы есть?"),)),
        read("d3", topics=(item("other", "А музыка?", "m7"),)),
    ]
    told = aggregates.uncovered(seen, FURNITURE, claims)
    assert told is not None and told["count"] == 3
    # a topic that is no longer there is «other», too
    assert [(group["words"], group["count"], group["dialog_ids"]) for group in told["groups"]] == [
        (["штора"], 2, ["d1", "d2"]),
        ([], 1, ["d3"]),
    ]
    assert [claims.rows[i]["quote"] for i in told["groups"][0]["claims"]] == ["Шторы шьёте?", "Шторы есть?"]
    assert aggregates.uncovered([read("d1", topics=(item("price"),))], FURNITURE, claims) is None
    assert [row["topic"] for row in aggregates.topics(seen, FURNITURE)] == ["Цена и расчёт", "Другое"]


def test_the_text_of_a_report_says_how_many(shop: Shop) -> None:
    shop.summary(messages=4, client_messages=4, sessions=2)
    shop.dialog("d1", "К: А шторы шьёте?\nМ: Нет", client="Айгерим")
    shop.dialog("d2", "К: Шторы к дивану есть?\nМ: Нет", client="Олег", phone="+77010000002")
    draft = report(shop.context(topics=GENERAL))
    assert draft.body.stored()["uncovered"]["count"] == 2
    assert "Вопросы без темы: 2\n• штора: 2" in draft.summary_text


# --- the prompt ---------------------------------------------------------------------------------------------


def test_the_prompt_and_its_schema_hold_the_companys_own_topics() -> None:
    own = Catalogue((Topic("own_1", "Шторы и карнизы", ("штора", "карниз*"), examples=("Шторы шьёте?",)),))
    told = prompts.reading_system(DEFAULT, own)
    assert "- own_1 — Шторы и карнизы (штора, карниз): «Шторы шьёте?»" in told
    assert "Цена и расчёт" not in told and "магазин" not in told
    schema = prompts.reading_schema(DEFAULT, own)
    assert schema["properties"]["topics"]["items"]["properties"]["kind"]["enum"] == ["own_1", "other"]


def test_what_of_a_topic_a_reading_depends_on() -> None:
    """The rules look at words alone; a model is told the name, the first words and examples. The order and the English name say nothing."""
    topic = GENERAL.topics[0]

    def versions(**changes: object) -> tuple[str, str]:
        now = Catalogue((*GENERAL.topics[1:], replace(topic, **changes)))  # type: ignore[arg-type]
        return reader.version(now), prompts.version("", DEFAULT, now)

    rule, prompt = reader.version(GENERAL), prompts.version("", DEFAULT, GENERAL)
    assert versions() == versions(name_en="X") == (rule, prompt)
    renamed, worded = versions(name="Деньги"), versions(words=(*topic.words, "тугрик"))
    assert renamed[0] == rule and renamed[1] != prompt
    assert versions(examples=("Почём?",))[0] == rule and versions(examples=("Почём?",))[1] != prompt
    # a model is told the first words: one more at the end is nothing to it, one at the head is
    assert worded[0] != rule and worded[1] == prompt
    assert versions(words=("тугрик", *topic.words))[1] != prompt
    assert versions(unless=("тугрик",))[0] != rule


# --- the cache ----------------------------------------------------------------------------------------------


def without(catalogue: Catalogue, key: str) -> Catalogue:
    return Catalogue(tuple(topic for topic in catalogue.topics if topic.key != key))


def words_added(catalogue: Catalogue, key: str, *words: str) -> Catalogue:
    return Catalogue(
        tuple(replace(one, words=(*words, *one.words)) if one.key == key else one for one in catalogue.topics)
    )


def test_only_the_dialogs_a_change_concerns_are_read_again(busy: Shop, model: Model) -> None:
    ctx = busy.context_with_ai(model.base_url, model.api_key)
    # one call more than dialogs: what was read is judged
    assert (read_dialogs(ctx).calls, read_dialogs(ctx).calls) == (7, 0)
    # «привезли», «диван»: two of six dialogs hold a word of the change
    changed = words_added(FURNITURE, "repair", "привезти", "диван")
    second = read_dialogs(replace(ctx, topics=changed, earlier_topics=(FURNITURE,)))
    assert (second.calls, second.from_cache, second.read) == (3, 4, 6)
    # what was kept is kept under the new list, and costs nothing again
    third = read_dialogs(replace(ctx, topics=changed))
    assert (third.calls, third.from_cache) == (0, 6)
    # a topic a reading names and the list has no more: that dialog alone
    fourth = read_dialogs(replace(ctx, topics=without(changed, "discount"), earlier_topics=(changed, FURNITURE)))
    assert (fourth.calls, fourth.from_cache) == (2, 5)


def test_a_dialog_whose_reading_names_the_changed_topic_is_read_again(busy: Shop, model: Model) -> None:
    """A model may name a topic by its sense: none of its words stands in the dialog."""
    named = Catalogue(
        tuple(replace(one, words=("тугрик",)) if one.key == "discount" else one for one in FURNITURE.topics)
    )
    ctx = busy.context_with_ai(model.base_url, model.api_key, topics=named)
    first = read_dialogs(ctx)
    about = [f.dialog.dialog_id for f in first.readings if "discount" in {one.kind for one in f.reading.topics}]
    assert (first.calls, about) == (7, ["d7"])
    second = read_dialogs(replace(ctx, topics=without(named, "discount"), earlier_topics=(named,)))
    assert (second.calls, second.from_cache) == (2, 5)
    assert {one.kind for f in second.readings if f.dialog.dialog_id == "d7" for one in f.reading.topics} == {"other"}


def test_the_rules_keep_what_a_change_does_not_concern(busy: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    read_dialogs(busy.context())
    read_now: list[str] = []
    honest = reader.read

    def watch(messages, *more, **named):  # type: ignore[no-untyped-def]
        read_now.append(messages[0].dialog_id)
        return honest(messages, *more, **named)

    monkeypatch.setattr(reader, "read", watch)
    changed = words_added(FURNITURE, "repair", "диван")
    second = read_dialogs(busy.context(topics=changed, earlier_topics=(FURNITURE,)))
    assert read_now == ["d4"] and second.from_cache == 5 and second.read == 6
    assert {
        one.kind for found in second.readings if found.dialog.dialog_id == "d4" for one in found.reading.topics
    } >= {"repair"}
    # a name is nothing to the rules
    renamed = Catalogue(tuple(replace(one, name=f"{one.name} 2") for one in changed.topics))
    assert read_dialogs(busy.context(topics=renamed)).from_cache == 6 and read_now == ["d4"]


# --- what is stored -----------------------------------------------------------------------------------------


def test_a_company_begins_with_the_general_topics_and_keeps_its_versions(shop: Shop) -> None:
    own = (Topic("own_1", "Шторы", ("штора",), examples=("Шторы шьёте?",)),)
    with db.as_service("test") as connection:
        assert stored.current(connection, shop.tenant_id) == TopicList("core", None, 0)
        assert topics.of_company(connection, shop.tenant_id) == GENERAL
        stored.save(connection, shop.tenant_id, "furniture", None, after=0)
        assert topics.of_company(connection, shop.tenant_id) == FURNITURE
        stored.save(connection, shop.tenant_id, "furniture", own, after=1)
        assert stored.current(connection, shop.tenant_id) == TopicList("furniture", own, 2)
        assert topics.earlier(connection, shop.tenant_id) == (FURNITURE, GENERAL)
        with pytest.raises(DataError, match="изменил другой человек"):
            stored.save(connection, shop.tenant_id, "core", None, after=1)
        # a pack the product has no more
        connection.execute("update synkro.topic_lists set pack = 'zoo', topics = null where version = 2")
        assert topics.of_company(connection, shop.tenant_id) == GENERAL


# --- the measure --------------------------------------------------------------------------------------------


def test_the_names_of_the_corpus_mean_topics_of_the_packs() -> None:
    """A slip in the table would be counted as a topic that is never found."""
    named: dict[str, set[str]] = {business: set() for business in corpus.BUSINESSES}
    for one in corpus.load():
        named[one.business] |= set(one.topics)
    assert set(measured.MEANS) == set(corpus.BUSINESSES)
    for business, means in measured.MEANS.items():
        assert named[business] <= set(means)
        assert {key for keys in means.values() for key in keys.split()} <= set(pack(business).catalogue.by_key), (
            business
        )


def test_a_pack_covers_more_than_the_general_topics() -> None:
    told = measured.table().splitlines()
    assert len(told) == 2 + len(corpus.BUSINESSES) and told[-1].startswith("all")
    for business in corpus.BUSINESSES:
        general, own = measured.measure(business, GENERAL), measured.measure(business, pack(business).catalogue)
        assert own.asking.part > general.asking.part and own.found.part > general.found.part, business
        assert own.asking.whole == general.asking.whole > 80 and own.found.whole == general.found.whole > 100
