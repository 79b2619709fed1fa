"""``/t/{slug}/dialogs/{id}``: the transcript with its waits, beside it the client and what the CRM knows of them."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from analysis.intents.decision import SURE
from analysis.reading import vocabulary
from app import formatting
from app.components.base.actions import act
from app.components.base.html import badge, button, div, facts, icon, link, pager, span, tag
from app.components.report.case_buttons import CaseButtons
from app.components.report.deal import deal_name
from app.components.report.parts import dialog_href, section
from app.layout import frame, heading, page
from app.offload import off_loop
from app.texts import known, language, t
from services.access import Viewer
from services.reports import transcripts
from services.reports.transcripts import Transcript, Wait
from synkro.reporting import intents
from synkro.reporting.dialogs import Message
from synkro.tenancy.topics import OTHER


@page("/t/{slug}/dialogs/{dialog_id:path}")
async def dialog_page(viewer: Viewer, slug: str, dialog_id: str, m: str = "", p: int | None = None) -> None:
    cited = [one for one in m.split(",") if one][:20]
    view = await off_loop(transcripts.load, viewer, slug, dialog_id, p, cited[0] if cited else None)
    card = view.card
    name = formatting.person(card["client_name"], card["phone"])
    with frame(viewer, name, tenant=view.tenant, on="reports"):
        with heading(name, "", [(t("reports.title"), f"/t/{slug}/reports")]):
            pass
        with div("aside"):
            with div("stack"):
                href = dialog_href(slug, dialog_id)
                pager(view.page, view.pages, lambda number: f"{href}?p={number}")
                _chat(view, set(cited))
                pager(view.page, view.pages, lambda number: f"{href}?p={number}")
            with div("stack loose"):
                _cases(view, slug)
                _client(view, slug)
                _reading(view)


def _chat(view: Transcript, cited: set[str]) -> None:
    with div("chat", mark="chat"):
        for day, messages in view.days():
            div("day", formatting.day(day, weekday=True, year=True))
            author: tuple[str, str | None] | None = None
            for message in messages:
                same = author == (message.kind, message.author_id)
                author = (message.kind, message.author_id)
                _message(view, message, is_cited=message.message_id in cited, shows_author=not same)


def _message(view: Transcript, message: Message, *, is_cited: bool, shows_author: bool) -> None:
    answered = view.closed.get(message.message_id)
    if answered is not None and answered.minutes is not None:
        with div("wait late done" if answered.is_breached else "wait done"):
            icon("clock")
            span("", _answered(answered))
    with div(f"msg {message.kind}{' cited' if is_cited else ''}", id=f"m-{message.message_id}", mark="message"):
        if shows_author and message.kind != "client":
            div("who", _author(message))
        div("pre", formatting.masked(message.body) if message.body else t("dialog.media"))
        div("when", formatting.clock(message.sent_at, view.timezone))
    opened = view.opened.get(message.message_id)
    if opened is not None and opened.is_open:
        _open_wait(opened)
    if message.kind == "client" and message.needs_reply_reason:
        Need(view, message)


class Need:
    """Whether the message needs an answer, why, how sure that is, and a press to say otherwise."""

    def __init__(self, view: Transcript, message: Message) -> None:
        self.slug, self.message = view.tenant.slug, message
        self.said = view.corrected.get(message.message_id)
        with div("need", mark="need"):
            self._draw()

    @property
    def needs_reply(self) -> bool:
        return self.message.needs_reply if self.said is None else self.said

    @ui.refreshable_method
    def _draw(self) -> None:
        span("", " · ".join(self._words()))
        button(t("need.correct"), self._correct, "link small", mark=f"correct-{self.message.message_id}")

    def _words(self) -> list[str]:
        verdict = t("need.yes" if self.needs_reply else "need.no")
        if self.said is not None and self.said != self.message.needs_reply:
            return [verdict, t("need.next_report")]
        if self.message.needs_reply_reason == intents.BY_PERSON or self.said is not None:
            return [verdict, t("need.by_person")]
        is_sure = (self.message.needs_reply_confidence or 0.0) >= SURE
        return [verdict, t(f"intent.{self.message.needs_reply_reason}"), *([] if is_sure else [t("need.unsure")])]

    async def _correct(self) -> None:
        wanted, message = not self.needs_reply, self.message
        said = await act(lambda who: transcripts.correct(who, self.slug, message.dialog_id, message.message_id, wanted))
        if said is not None:
            self.said = said
            self._draw.refresh()


def _answered(wait: Wait) -> str:
    """Working time, or the clock's where no working minute had passed: «0 с» would read as an instant answer."""
    if wait.is_off_hours and wait.minutes_calendar is not None:
        return t("dialog.answered_off_hours", time=formatting.minutes(float(wait.minutes_calendar)))
    return t("dialog.answered_in", time=formatting.minutes(float(wait.minutes or 0)))


def _author(message: Message) -> str:
    if message.kind in ("bot", "system"):
        return t(f"sender.{message.kind}")
    name = message.author_name or t("dialog.unknown_author")
    return f"{name} ({t('dialog.by_deal')})" if message.author_source == "deal" else name


def _open_wait(wait: Wait) -> None:
    with div("wait late" if wait.is_breached else "wait", mark="open-wait"):
        icon("clock")
        span("", t("dialog.waits_since", time=formatting.passed(wait.opened_at)))


def _cases(view: Transcript, slug: str) -> None:
    if not view.cases:
        return
    with section(t("cases.title"), mark="dialog-cases"):
        for case in view.cases:
            with div("item stack tight"):
                badge(t(f"case.kind.{case.kind}"), "warn" if case.is_open else "")
                since = t("cases.since_moment", when=formatting.moment(case.began_at, view.timezone))
                span(
                    "small muted wrap",
                    " · ".join(part for part in (formatting.masked(case.deal_name or ""), since) if part),
                )
                CaseButtons(slug, case)


def _client(view: Transcript, slug: str) -> None:
    card = view.card
    with section(t("dialog.client"), mark="client-card"):
        facts(
            [
                (t("waits.phone"), formatting.phone(card["phone"]) or "—"),
                (t("dialogs.channel"), str(card["channel"] or "—")),
                (t("dialogs.messages"), formatting.number(view.total)),
                (t("dialog.first"), formatting.moment(card["first_message_at"], view.timezone)),
                (t("dialog.last"), formatting.moment(card["last_message_at"], view.timezone)),
                (
                    t("rows.match"),
                    t(f"match.{card['match_status']}") if known(f"match.{card['match_status']}") else "—",
                ),
            ]
        )
        if card["deals"]:
            tag("h3", "", t("dialog.deals"))
            with div("stack list"):
                for deal in card["deals"][:10]:
                    _deal(view, deal)
        if card["other_dialogs"]:
            tag("h3", "", t("dialog.others"))
            for other in card["other_dialogs"][:10]:
                with div("line between"):
                    link(
                        str(other["channel"] or t("dialog.other")),
                        dialog_href(slug, other["dialog_id"]),
                        mark="other-dialog",
                    )
                    span("small muted", formatting.moment(other["last_message_at"], view.timezone))


def _deal(view: Transcript, deal: dict[str, Any]) -> None:
    kinds = {"won": "good", "lost": "bad", "open": "accent"}
    with div("item stack tight"):
        deal_name(view.deal_page, deal["deal_id"], deal["name"], "wrap")
        with div("line"):
            badge(str(deal["stage"] or deal["stage_kind"] or ""), kinds.get(deal["stage_kind"], ""))
            if deal["price"]:
                span("strong nowrap", formatting.money(float(deal["price"]), view.currency))
        parts = [deal["pipeline"], deal["manager_name"], deal["loss_reason"]]
        span("small muted wrap", " · ".join(str(part) for part in parts if part))


def _reading(view: Transcript) -> None:
    """What the reader made of the dialog: outcome, next step, topics, objections, risks, each with its words."""
    raw = (view.reading or {}).get("reading")
    if not isinstance(raw, dict):
        return
    topics = view.topics.labels(language())
    state = vocabulary.STATES.get(str(raw.get("state") or ""))
    lines = [
        (label, list(dict.fromkeys(_named(item, names) for item in _listed(raw.get(key)))))
        for label, key, names in (
            (t("reading.outcome"), "outcome", vocabulary.OUTCOMES),
            (t("reading.next_step"), "next_step", vocabulary.NEXT_STEPS),
            (t("report.topics"), "topics", topics),
            (t("report.objections"), "objections", vocabulary.OBJECTIONS),
            (t("report.risks"), "risks", vocabulary.RISKS),
        )
    ]
    lines = [(t("reading.state"), [state] if state else []), *lines]
    lines = [(label, found) for label, found in lines if found]
    told = [one for one in _listed(raw.get("summary")) if one.get("text") and one.get("message_ids")]
    if not lines and not told:
        return
    with section(t("dialog.reading"), mark="reading"):
        if told:
            _summary(view, told)
        facts((label, formatting.masked("; ".join(found))) for label, found in lines)
        if model := (view.reading or {}).get("model"):
            span("small muted", f"{t('data.reader')}: {t(f'reader.{model}') if known(f'reader.{model}') else model}")


def _summary(view: Transcript, told: list[dict[str, Any]]) -> None:
    """What the dialog is about, each sentence with a link to the messages it stands on."""
    with div("stack list", mark="summary"):
        for one in told:
            ids = [str(message_id) for message_id in one["message_ids"]]
            with div("item stack tight"):
                span("wrap", formatting.masked(str(one["text"])))
                cited = dialog_href(view.tenant.slug, view.card["dialog_id"], ids)
                link(formatting.plural(len(ids), "plural.messages"), cited, "small", mark="summary-cited")


def _listed(value: Any) -> list[dict[str, Any]]:
    found = value if isinstance(value, list) else [value]
    return [item for item in found if isinstance(item, dict)]


def _named(item: dict[str, Any], names: dict[str, str]) -> str:
    # a kind of an older reading that is no longer there
    kind = str(item.get("kind") or "")
    label = names.get(kind, names.get(OTHER, kind))
    return f"{label}: {item['text']}" if item.get("text") else label
