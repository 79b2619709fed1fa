"""What clients ask about: the pack, the topics as a table, and the questions of the last report no topic covers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import context, ui

from app import formatting
from app.components.base import forms
from app.components.base.actions import act
from app.components.base.html import badge, button, div, note, span, table, tag
from app.components.report.parts import evidence, section
from app.texts import language, t
from services.access import Viewer
from services.settings import topics
from services.settings.topics import TopicsView, Typed, Uncovered
from synkro.core.errors import SynkroError
from synkro.tenancy.topics import Topic, TopicList

#: words of a topic its row shows
_WORDS_SHOWN = 12


class TopicsEditor:
    def __init__(self, view: TopicsView) -> None:
        self.view = view
        # a row may be redrawn while its dialog is open: what follows belongs to the page
        self.client = context.client

    @ui.refreshable_method
    def draw(self) -> None:
        with div("stack loose"):
            self._pack()
            self._uncovered()
            self._table()

    # --- the pack ---------------------------------------------------------------------------------------------

    def _pack(self) -> None:
        view = self.view
        named = {pack.key: pack.called(language()) for pack in view.packs}
        with section(t("topics.pack"), lead=t("topics.pack_lead"), mark="topic-pack"):
            with div("line"):
                span("strong", named[view.pack.key])
                state = t("topics.own") if view.is_own else t("topics.as_pack")
                badge(state, "accent" if view.is_own else "")
            with forms.row():
                self.choice = forms.select(t("topics.choose"), "topic-pack-choice", named, view.pack.key)
            with div("line"):
                button(t("topics.take"), self._take, "primary", mark="take-pack")
                if view.is_own:
                    button(t("topics.reset"), lambda: self._take_pack(view.pack.key), mark="reset-topics")
            span("small muted", t("topics.when"))

    async def _take(self) -> None:
        await self._take_pack(str(self.choice.value))

    async def _take_pack(self, key: str) -> None:
        view = self.view
        if view.is_own and not await self._is_sure(
            t("topics.lose_title"), t("topics.lose_text"), t("topics.lose"), "lose-topics"
        ):
            return
        await self._change(lambda who, slug, after: topics.choose(who, slug, key, after))

    # --- the topics -------------------------------------------------------------------------------------------

    def _table(self) -> None:
        listed = self.view.catalogue.topics
        with tag("section", "card flush", mark="topics"):
            with div("card-head"):
                tag("h2", "", t("topics.list"))
                span("small muted grow", formatting.plural(len(listed), "plural.topics"))
                button(t("topics.add"), self._add, "small", mark="add-topic", icon_name="plus")
            table(
                [
                    (t("topics.name"), "lead"),
                    (t("topics.words"), "full"),
                    (t("topics.examples"), "full"),
                    ("", "acts"),
                ],
                [self._row(topic) for topic in listed],
                mark="topic-rows",
            )

    def _row(self, topic: Topic) -> tuple[Any, ...]:
        def said() -> None:
            shown = ", ".join(topic.words[:_WORDS_SHOWN])
            more = len(topic.words) - _WORDS_SHOWN
            span("small wrap", shown + (t("topics.more", n=more) if more > 0 else ""))

        def examples() -> None:
            span("small muted wrap", " · ".join(topic.examples))

        def acts() -> None:
            button(t("topics.edit"), lambda: self._edit(topic), "small", mark=f"edit-{topic.key}")

        return (topic.called(language()), said, examples if topic.examples else "", acts)

    async def _add(self) -> None:
        await self._form(t("topics.add"), None)

    async def _edit(self, topic: Topic) -> None:
        await self._form(topic.name, topic)

    async def _form(self, title: str, topic: Topic | None, given: tuple[str, ...] = ()) -> None:
        """The fields of one topic; stays open until what was typed is stored. ``given``: words a new one begins with."""
        with self.client, ui.dialog() as dialog, ui.card():
            tag("h2", "", title)
            with div("stack"):
                fields = {
                    "name": forms.text(t("topics.name"), "topic-name", topic.name if topic else ""),
                    "words": forms.area(
                        t("topics.words"), "topic-words", ", ".join(topic.words if topic else given), hint=t("topics.words_hint")
                    ),
                    "unless": forms.area(
                        t("topics.unless"), "topic-unless", ", ".join(topic.unless if topic else ()), hint=t("topics.unless_hint")
                    ),
                    "examples": forms.area(
                        t("topics.examples"), "topic-examples", "\n".join(topic.examples if topic else ()), hint=t("topics.examples_hint")
                    ),
                }  # fmt: skip

            def refused(error: SynkroError) -> None:
                field, _, rest = error.message.partition(": ")
                if field in fields:
                    fields[field].wrong(rest[:1].upper() + rest[1:])
                else:
                    ui.notify(error.message, type="negative", multi_line=True)

            async def save() -> None:
                for field in fields.values():
                    field.wrong("")
                typed = Typed(**{name: str(field.value or "") for name, field in fields.items()})
                key = topic.key if topic else None
                is_done = await self._change(lambda who, slug, after: topics.put(who, slug, key, typed, after), refused)
                if is_done:
                    dialog.delete()

            async def instead(work: Callable[[Topic], Any]) -> None:
                dialog.delete()
                if topic is not None:
                    await work(topic)

            with div("line between").style("width: 100%"):
                with div("line"):
                    button(t("settings.save"), save, "primary", mark="save-topic")
                    button(t("words.cancel"), dialog.close, mark="cancel-topic")
                if topic is not None:
                    with div("line"):
                        button(t("topics.merge"), lambda: instead(self._merge), mark="merge-topic")
                        button(t("topics.remove"), lambda: instead(self._remove), "danger", mark="remove-topic")
        dialog.on("hide", dialog.delete)
        dialog.open()

    async def _merge(self, topic: Topic) -> None:
        into = await self._other(
            t("topics.merge_title", name=topic.called(language())), t("topics.merge_text"), t("topics.merge"), topic
        )
        if into:
            await self._change(lambda who, slug, after: topics.merge(who, slug, topic.key, into, after))

    async def _other(self, title: str, text: str, yes: str, but: Topic | None = None) -> str:
        """A topic to be chosen; empty when the person thinks better of it."""
        named = {one.key: one.called(language()) for one in self.view.catalogue.topics if one is not but}
        with self.client, ui.dialog() as dialog, ui.card():
            tag("h2", "", title)
            span("wrap", text)
            with div("stack").style("width: 100%"):
                choice = forms.select(t("topics.into"), "topic-into", named, next(iter(named), ""))
            with div("line"):
                button(yes, lambda: dialog.submit(choice.value), "primary", mark="confirm-merge")
                button(t("words.cancel"), lambda: dialog.submit(""), mark="cancel-merge")
        chosen = await dialog
        dialog.delete()
        return str(chosen or "")

    async def _remove(self, topic: Topic) -> None:
        title = t("topics.remove_title", name=topic.called(language()))
        if await self._is_sure(title, t("topics.remove_text"), t("topics.remove"), "remove-topic"):
            await self._change(lambda who, slug, after: topics.remove(who, slug, topic.key, after))

    # --- what no topic covers ---------------------------------------------------------------------------------

    def _uncovered(self) -> None:
        found = self.view.uncovered
        total = sum(group.count for group in found)
        title = t("report.uncovered", n=formatting.number(total))
        with section(title, lead=t("topics.uncovered_lead"), mark="uncovered"):
            if not found:
                note(t("topics.no_uncovered"))
            with div("stack list"):
                for number, group in enumerate(found):
                    self._group(group, number)

    def _group(self, group: Uncovered, number: int) -> None:
        with div("item stack tight", mark="uncovered-group"):
            with div("line between"):
                named = ", ".join(group.words) if group.words else t("topics.rest")
                span("strong wrap" if group.words else "muted", f"{named}: {formatting.number(group.count)}")
                if group.words:
                    with div("line"):
                        button(t("topics.make"), lambda: self._make(group), "small", mark=f"make-{number}")
                        button(t("topics.join"), lambda: self._join(group), "small", mark=f"join-{number}")
            evidence(self.view.tenant.slug, [dict(claim) for claim in group.claims])

    async def _make(self, group: Uncovered) -> None:
        await self._form(t("topics.add"), None, group.words)

    async def _join(self, group: Uncovered) -> None:
        into = await self._other(
            t("topics.join_title"), t("topics.join_text", words=", ".join(group.words)), t("topics.join")
        )
        if into:
            await self._change(lambda who, slug, after: topics.extend(who, slug, into, group.words, after))

    # --- storing ----------------------------------------------------------------------------------------------

    async def _change(
        self,
        work: Callable[[Viewer, str, int], TopicList],
        on_error: Callable[[SynkroError], None] | None = None,
    ) -> bool:
        """Store a change and draw the page anew; ``False`` when it was refused, and the cause has been shown."""
        slug, after = self.view.tenant.slug, self.view.chosen.version
        with self.client:
            saved = await act(lambda who: work(who, slug, after), done=t("settings.saved"), on_error=on_error)
            if saved is None:
                return False
            fresh = await act(lambda who: topics.load(who, slug))
            if fresh is not None:
                self.view = fresh
                self.draw.refresh()
            return True

    async def _is_sure(self, title: str, text: str, yes: str, mark: str) -> bool:
        with self.client, ui.dialog() as dialog, ui.card():
            tag("h2", "", title)
            span("wrap", text)
            with div("line"):
                button(yes, lambda: dialog.submit(True), "danger", mark=f"confirm-{mark}")
                button(t("words.cancel"), lambda: dialog.submit(False), mark=f"cancel-{mark}")
        is_sure = await dialog
        dialog.delete()
        return bool(is_sure)
