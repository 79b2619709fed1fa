"""The reader without a key: one dialog in, a :class:`Reading` out, by patterns.

Pure, fast (well under a millisecond a message) and honest: each item quotes the sentence that made it. It does
not understand; it finds. The report says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from analysis.intents import Intent, Said, claims, decide
from analysis.intents.decision import CONTEXT
from analysis.intents.linear import OPEN_REASONS, Model, load
from analysis.reading import sentences as line_cutting
from analysis.reading.models import Item, Promise, Reading, Score
from analysis.reading.normalisation import one_line
from analysis.reading.sentences import Line, Sentence
from analysis.rules import patterns as p
from analysis.rules import phrases, price_conflicts, promises, summary
from analysis.topics import Catalogue, finding, pack
from analysis.topics.matching import matcher
from synkro.reporting.dialogs import Message
from synkro.tenancy.topics import CORE

PROMPT_VERSION = "rules-7"
MODEL = "rules"

#: characters of a dialog the rules take on, about 3 s of work; nobody types more in a window
MOST_CHARS = 200_000
_MOST = 6


def is_too_long(messages: Sequence[Message]) -> bool:
    """True for a dialog to be skipped whole, and said so, rather than cut."""
    return sum(len(m.body) for m in messages) > MOST_CHARS


def is_ours(before: Sequence[Message]) -> bool:
    """A person of ours wrote among the messages before those that are read."""
    return any(m.kind == "manager" for m in before)


def version(topics: Catalogue) -> str:
    """Cache key of the rules over a list of topics."""
    return f"{PROMPT_VERSION}+{topics.rules_digest}"


def read(
    messages: Sequence[Message],
    timezone: str,
    intents: Sequence[Intent | None] | None = None,
    topics: Catalogue | None = None,
    model: Model | None = None,
    *,
    is_known: bool = False,
) -> Reading:
    """Read the messages of one dialog in one window, in order.

    ``intents``: what each is for, where that is known already; ``topics``: the company's, the general ones for None; ``model``:
    another than the one in the tree; ``is_known``: we wrote in this chat before these messages.
    """
    topics = topics or pack(CORE).catalogue
    model = model or load()
    lines = line_cutting.of(messages, timezone)
    talk = [Said(m.kind, m.body, m.sent_at, ("file",) if m.has_media else ()) for m in messages]
    reasons = reasons_of(messages, decide(talk, model) if intents is None else intents)
    people = [line for line in lines if line.kind in ("client", "manager")]
    sentences = line_cutting.sentences(people)
    claimed = Claims(messages, talk, rules_fired(sentences), model)
    risks = _risks(sentences, claimed, is_known)
    found = promises.find(people, sentences)
    question = _open_question(people)
    outcome = _outcome(people, sentences, question, reasons, claimed)
    objections = _objections(_without(sentences, risks), sentences, claimed)
    # what is told as a complaint, an objection or a decision is no question without a topic
    told = [*risks, *objections, *([outcome] if outcome and outcome.kind in _TOLD else ())]
    asked = {id(s) for s in _without(sentences, told) if reasons.get(s.line.message_id) in finding.ASKING and _asks(s)}
    reading = Reading(
        topics=finding.find(topics, sentences, lambda sentence: id(sentence) in asked),
        wish=_wish(sentences, topics),
        outcome=outcome,
        objections=objections,
        promises=tuple(found[-_MOST:]),
        risks=risks,
        next_step=_next_step(question, outcome, risks, found),
        quality=_quality(people, sentences, risks, found),
        open_question=question,
        mood=_mood(sentences, risks),
        language=_language(people),
        media_unread=sum(1 for line in people if line.has_media),
    )
    return summary.add(reading, messages, timezone)


#: outcomes whose words are a decision; «waiting» quotes the question itself
_TOLD = ("paid", "agreed", "visit", "call", "thinking", "refused")
_OBJECTIONS = (*p.OBJECTIONS, *phrases.OBJECTIONS)
#: risks a client's own line is, by the rules
_CLIENT_RISKS = tuple(rule for rule in (*p.RISKS, *phrases.RISKS) if rule.who == "client")
_COMPLAINTS = ("complaint", "refund", "broken_promise", "angry", "ignored")


def fired(messages: Sequence[Message], timezone: str) -> dict[str, set[str]]:
    """Names of the rules that hold in each message of the client, by message: what the trained claims are shown."""
    return rules_fired(line_cutting.sentences(line_cutting.of(messages, timezone)))


def rules_fired(sentences: Sequence[Sentence]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sentence in sentences:
        if sentence.line.kind != "client":
            continue
        names = {rule.kind for rule in _OBJECTIONS if _place(rule, sentence) is not None}
        names |= {f"risk_{rule.kind}" for rule in _CLIENT_RISKS if _place(rule, sentence) is not None}
        if p.REFUSED.search(sentence.folded) or phrases.REFUSES.search(sentence.tagged.line):
            names.add("refuses")
        if names:
            found.setdefault(sentence.line.message_id, set()).update(names)
    return found


def _objections(free: list[Sentence], sentences: Sequence[Sentence], claimed: Claims) -> tuple[Item, ...]:
    """By words, and «ого» alone after a price of ours. «Подумаем» says itself what it is, the others are weighed."""
    kept = [s for s in free if claimed.is_kept("objection", s.line.message_id)]
    found = [item for item in _apply(_OBJECTIONS, kept, per_kind=1) if item.kind != "postponed"]
    found += _apply([rule for rule in _OBJECTIONS if rule.kind == "postponed"], free, per_kind=1)
    order = {sentence.line.message_id: sentence.line.order for sentence in sentences}
    found.sort(key=lambda item: order[item.message_ids[0]])
    if any(item.kind == "price" for item in found):
        return tuple(found)
    priced = False
    for sentence in sentences:
        if sentence.line.kind == "manager":
            priced = p.OUR_PRICE.search(sentence.line.folded) is not None
        elif sentence.line.kind == "client" and priced and p.DISMAYED.fullmatch(sentence.line.folded.strip()):
            return (*found, _item("price", sentence))
    return tuple(found)


class Claims:
    """What the trained model says of each message of the client: does it object, complain, refuse."""

    def __init__(
        self, messages: Sequence[Message], talk: Sequence[Said], fired: Mapping[str, set[str]], model: Model
    ) -> None:
        needed = [m.needs_reply if m.kind == "client" else None for m in messages]
        self._bounds = model.bounds
        self._scores: dict[str, dict[str, float]] = {}
        for i, message in enumerate(messages):
            if message.kind == "client":
                start = max(0, i - CONTEXT)
                seen = claims.of(talk[start : i + 1], i - start, needed[start:i], fired.get(message.message_id, ()))
                self._scores[message.message_id] = model.claim_scores(seen)

    def is_kept(self, claim: str, message_id: str) -> bool:
        """Not so unlike the claim that a rule's find must be a slip."""
        scores = self._scores.get(message_id)
        return scores is None or scores[claim] >= self._bounds[claim].keep

    def is_likely(self, claim: str, message_id: str) -> bool:
        """As like the claim as half of those that are one."""
        scores = self._scores.get(message_id)
        return scores is not None and scores[claim] >= self._bounds[claim].half

    def is_sure(self, claim: str, message_id: str) -> bool:
        """The claim without any rule."""
        scores = self._scores.get(message_id)
        return scores is not None and scores[claim] >= self._bounds[claim].add


def _risks(sentences: list[Sentence], claimed: Claims, is_known: bool) -> tuple[Item, ...]:
    """Two prices first: «цифры не сходятся» is no other complaint, and a sentence is counted as one thing."""
    prices = _apply((*[r for r in p.RISKS if r.kind == "wrong_price"], *phrases.PRICES), sentences, per_kind=2)
    prices = prices or tuple(price_conflicts.find(sentences))
    rest = _apply([r for r in (*p.RISKS, *phrases.RISKS) if r.kind != "wrong_price"], _without(sentences, prices), 2)
    rest = tuple(
        item
        for item in _about_us(rest, sentences, is_known)
        if item.kind not in _COMPLAINTS
        or phrases.is_demand(item.quote)
        or claimed.is_kept("complaint", item.message_ids[0])
    )
    if not any(item.kind in _COMPLAINTS for item in rest):
        rest = (*rest, *_told_by_model(sentences, claimed))
    order = {sentence.line.message_id: sentence.line.order for sentence in sentences}
    return tuple(sorted((*prices, *rest), key=lambda item: order[item.message_ids[0]]))


def complaints(sentences: list[Sentence], fired: Mapping[str, set[str]], claimed: Claims) -> set[str]:
    """Every message of the client that complains about us, by rules (``fired``: :func:`rules_fired`) and by the model."""
    rules = [rule for rule in _CLIENT_RISKS if rule.kind in _COMPLAINTS]
    risky = [s for s in sentences if any(f"risk_{k}" in fired.get(s.line.message_id, ()) for k in _COMPLAINTS)]
    found = _about_us(_apply(rules, risky, per_kind=len(risky)), sentences)
    told = {
        item.message_ids[0]
        for item in found
        if phrases.is_demand(item.quote) or claimed.is_kept("complaint", item.message_ids[0])
    }
    sure = {s.line.message_id for s in sentences if s.line.kind == "client"}
    return told | {message_id for message_id in sure if claimed.is_sure("complaint", message_id)}


def _told_by_model(sentences: Sequence[Sentence], claimed: Claims) -> tuple[Item, ...]:
    """The first complaint no rule has words for, quoted by its longest sentence."""
    sure = [s for s in sentences if s.line.kind == "client" and claimed.is_sure("complaint", s.line.message_id)]
    same = [s for s in sure if s.line is sure[0].line]
    return (_item("complaint", max(same, key=lambda s: len(s.text))),) if same else ()


def _answers(at: int, sentences: list[Sentence]) -> bool:
    """Our last words before it asked something."""
    ours = [s for s in sentences if s.line.kind == "manager" and s.line.order < at]
    return bool(ours) and ours[-1].line.text.rstrip(" )🙂😊*").endswith("?")


def _about_us(found: Sequence[Item], sentences: list[Sentence], is_known: bool = False) -> tuple[Item, ...]:
    """A broken thing is a complaint where something ties it to us; by itself it is what the client comes with."""
    said = {s.line.message_id: s for s in sentences}
    told = [s for s in sentences if s.line.kind == "client"]
    # a chat in which we have said nothing yet is all first words; a window of a longer chat without a word of ours has none
    last = sentences[-1].line.order + 1 if sentences and not is_known else -1
    first_ours = min((s.line.order for s in sentences if s.line.kind == "manager"), default=last)
    kept = []
    for item in found:
        if item.kind == "complaint" and phrases.is_bare_defect(item.quote):
            at = said[item.message_ids[0]].line.order
            before = [s for s in told if s.line.order <= at]
            if phrases.is_own_doing(item.quote) and not any(phrases.NAMES_US.search(s.tagged.line) for s in before):
                continue
            # the first words of a chat, and an answer to our question, say what is wrong with a thing; ours only where they name us
            if (at < first_ours or _answers(at, sentences)) and not any(
                phrases.NAMES_US.search(s.tagged.line) for s in before
            ):
                continue
        kept.append(item)
    return tuple(kept)


def _without(sentences: list[Sentence], found: Sequence[Item]) -> list[Sentence]:
    """The sentences none of the found items quotes."""
    taken = {(item.message_ids[0], item.quote) for item in found}
    return [s for s in sentences if not any(s.line.message_id == i and q in s.text for i, q in taken)]


def _apply(rules: Iterable[p.Rule], sentences: list[Sentence], per_kind: int) -> tuple[Item, ...]:
    """Items in the order of the dialog, at most ``per_kind`` of a kind, one of a kind a message."""
    found: list[tuple[int, Item]] = []
    seen: dict[str, list[str]] = {}
    for sentence in sentences:
        for rule in rules:
            ids = seen.setdefault(rule.kind, [])
            if sentence.line.kind != rule.who or len(ids) >= per_kind or sentence.line.message_id in ids:
                continue
            near = _place(rule, sentence)
            if near is None:
                continue
            ids.append(sentence.line.message_id)
            found.append((sentence.line.order, _item(rule.kind, sentence, near)))
    return tuple(item for _, item in found)


def _place(rule: p.Rule, sentence: Sentence) -> int | None:
    """Where in the sentence the rule holds, or None."""
    text = sentence.tagged.line if rule.by_form else sentence.folded
    match = rule.pattern.search(text)
    if match is None or (rule.unless is not None and rule.unless.search(text)):
        return None
    return sentence.tagged.place(match.start()) if rule.by_form else match.start()


def _item(kind: str, sentence: Sentence, near: int = 0, text: str = "") -> Item:
    return Item(kind, (sentence.line.message_id,), sentence.quote(near), text, sentence.line.author)


def _wish(sentences: list[Sentence], topics: Catalogue) -> Item | None:
    """The client's first question or order: what they came for."""
    for sentence in sentences:
        if sentence.line.kind != "client" or len(sentence.text) < 8 or p.NO_PURPOSE.match(sentence.folded):
            continue
        if p.QUESTION.search(sentence.folded) or matcher(topics).find(sentence.folded):
            return _item("wish", sentence, text=one_line(sentence.text, 160))
    return None


def _open_question(people: list[Line]) -> Item | None:
    """The last question among the client's messages after the last word of ours."""
    last_ours = max((line.order for line in people if line.kind == "manager"), default=-1)
    tail = [line for line in people if line.kind == "client" and line.order > last_ours and line.needs_reply]
    asked = [s for s in line_cutting.sentences(tail) if _asks(s)]
    return _item("question", asked[-1]) if asked else None


def _asks(sentence: Sentence) -> bool:
    return (
        bool(p.QUESTION.search(sentence.folded) or phrases.ASKS.search(sentence.tagged.line)) and len(sentence.text) > 1
    )


def reasons_of(messages: Sequence[Message], intents: Sequence[Intent | None]) -> dict[str, str]:
    """Why each message of the client needs an answer or none, by message."""
    return {m.message_id: intent.reason for m, intent in zip(messages, intents, strict=True) if intent is not None}


#: what a reason of the client's line says of the outcome
_OF_REASON = {"payment_claim": "paid", "confirmation": "visit", "on_my_way": "visit", "consent": "agreed", "booking": "agreed", "thinking": "thinking"}  # fmt: skip


def _outcome(
    people: list[Line], sentences: list[Sentence], question: Item | None, reasons: Mapping[str, str], claimed: Claims
) -> Item | None:
    """How it stands at the end: the latest decisive words win; an open question wins over all but money and a refusal."""
    decided: Item | None = None
    for sentence in sentences:
        kind = _decided(sentence, reasons, decided.kind if decided else "", claimed)
        if kind:
            decided = _item(kind, sentence)
    if question is not None and (decided is None or decided.kind in _UNSETTLED):
        return Item("waiting", question.message_ids, question.quote)
    ours = max((line.order for line in people if line.kind == "manager"), default=-1)
    asks = [
        s
        for s in sentences
        if s.line.order > ours and s.line.needs_reply and reasons.get(s.line.message_id) in OPEN_REASONS
    ]
    if asks and (decided is None or decided.kind in _UNSETTLED):
        return _item("waiting", asks[0])
    if (
        decided is None
        and people
        and people[-1].kind == "manager"
        and people[-1].text
        and any(line.kind == "client" for line in people)
    ):
        said = [s for s in line_cutting.sentences(people[-1:]) if sum(map(str.isalnum, s.text)) >= 2]
        return _item("answered", said[-1]) if said else None
    return decided


#: outcomes an open wait wins over
_UNSETTLED = ("thinking",)


def _decided(sentence: Sentence, reasons: Mapping[str, str], before: str, claimed: Claims) -> str:
    """What the sentence decides, or nothing; ``before``: what stood until now."""
    text, is_client = sentence.folded, sentence.line.kind == "client"
    asks = text.rstrip(" )").endswith("?")
    if (is_client and p.PAID.search(text)) or (not is_client and p.PAID_SEEN.search(text)):
        return "paid"
    reason = reasons.get(sentence.line.message_id, "") if is_client else ""
    if is_client and refuses(sentence, reason, before, claimed):
        return "refused"
    if is_client and p.AGREED.search(text) and not p.NOT_AGREED.search(text):
        return "agreed"
    if _is_visit(sentence):
        return "" if before == "paid" else "visit"
    if is_client and p.CALL_ASKED.search(text):
        return "call"
    if is_client and p.OBJECTIONS[-2].pattern.search(text) and before in ("", "thinking", "call"):
        return "thinking"
    told = "" if asks else _OF_REASON.get(reason, "")
    if told == "thinking":
        return told if before in ("", "thinking", "call", "agreed") else ""
    if told == "agreed":
        return told if before in ("", "thinking", "call") else ""
    if told == "visit":
        return told if before in ("", "thinking", "call", "agreed") else ""
    return told


def refuses(sentence: Sentence, reason: str, before: str, claimed: Claims) -> bool:
    """Whether the client's sentence says no to us; ``before``: what had been decided until then."""
    message_id, text = sentence.line.message_id, sentence.folded
    return (
        not text.rstrip(" )").endswith("?")
        and (not sentence.line.needs_reply or reason not in ("complaint", "reminder", "question", "greeting"))
        and claimed.is_kept("refusal", message_id)
        and not phrases.NOT_OUR_REFUSAL.search(sentence.tagged.line)
        and (
            claimed.is_sure("refusal", message_id)
            or bool(p.REFUSED.search(text) or phrases.REFUSES.search(sentence.tagged.line))
            or (
                reason == "refusal"
                and claimed.is_likely("refusal", message_id)
                and before not in ("paid", "visit", "agreed")
                and phrases.DENIES.search(sentence.tagged.line) is not None
            )
        )
    )


_IF = re.compile(r"\bесли\b|\bкогда\b|\bне записал|\bошиб|\bлюбо[ей]\b|\bегер\b")


def _is_visit(sentence: Sentence) -> bool:
    text = sentence.folded
    if text.endswith("?") or p.NOT_AGREED.search(text):
        return False
    if sentence.line.kind == "manager" and p.VISIT_SETTLED.search(text) and not _IF.search(text):
        return True
    pattern = p.VISIT_CLIENT if sentence.line.kind == "client" else p.VISIT_MANAGER
    if not pattern.search(text):
        return False
    from analysis.rules.deadlines import find

    return find(text, sentence.line.sent_at) is not None


def _next_step(
    question: Item | None, outcome: Item | None, risks: Sequence[Item], found: Sequence[Promise]
) -> Item | None:
    """What is to be done first: a complaint, a call, an answer, a promise, a meeting."""
    for item in risks:
        if item.kind in ("complaint", "refund", "broken_promise"):
            return Item("fix", item.message_ids, item.quote)
    if outcome is not None and outcome.kind == "call":
        return Item("call", outcome.message_ids, outcome.quote)
    if question is not None:
        return Item("answer", question.message_ids, question.quote)
    for promise in found:
        if promise.who == "manager" and not promise.kept:
            return Item("send", promise.message_ids, promise.quote)
    if outcome is not None and outcome.kind in ("visit", "agreed"):
        return Item({"visit": "meet", "agreed": "pay"}[outcome.kind], outcome.message_ids, outcome.quote)
    return None


def _quality(
    people: list[Line], sentences: list[Sentence], risks: Sequence[Item], found: Sequence[Promise]
) -> tuple[Score, ...]:
    """Only what a message shows; a criterion without evidence is left out, not scored zero."""
    scores = []
    ours = [s for s in sentences if s.line.kind == "manager"]
    for name, pattern in (("Приветствие", p.GREETING), ("Выяснение потребности", p.NEED_ASKED)):
        shown = next((s for s in ours if pattern.search(s.folded)), None)
        if shown is not None:
            scores.append(_score(name, 2, shown))
        elif name == "Приветствие" and (cold := _not_greeted(sentences)) is not None:
            scores.append(_score(name, 0, cold))
    promise = next((x for x in found if x.who == "manager" and x.deadline), None)
    if promise is not None:
        scores.append(Score("Следующий шаг", 2, promise.message_ids, promise.quote, promise.author))
    rude = next((item for item in risks if item.kind == "rude_manager"), None)
    polite = next((s for s in ours if p.POLITE.search(s.folded)), None)
    if rude is not None:
        scores.append(Score("Вежливость", 0, rude.message_ids, rude.quote, rude.author))
    elif polite is not None:
        scores.append(_score("Вежливость", 2, polite))
    return tuple(scores)


def _score(name: str, score: int, shown: Sentence) -> Score:
    return Score(name, score, (shown.line.message_id,), shown.quote(), shown.line.author)


def _not_greeted(sentences: list[Sentence]) -> Sentence | None:
    """Our first words to a client who had greeted; None where the client began without."""
    ours = next((s for s in sentences if s.line.kind == "manager"), None)
    before = [s for s in sentences if ours is not None and s.line.order < ours.line.order]
    return ours if any(s.line.kind == "client" and p.GREETING.search(s.folded) for s in before) else None


def _mood(sentences: list[Sentence], risks: Sequence[Item]) -> str:
    kinds = {item.kind for item in risks}
    if "angry" in kinds or "refund" in kinds:
        return "angry"
    if kinds & {"complaint", "broken_promise", "ignored"}:
        return "annoyed"
    if any(s.line.kind == "client" and p.PLEASED.search(s.folded) for s in sentences):
        return "pleased"
    return "calm"


def _language(people: list[Line]) -> str:
    said = [line for line in people if line.kind == "client" and line.text.strip()] or people
    kazakh = sum(1 for line in said if p.KAZAKH.search(line.folded))
    if not said or kazakh == 0:
        return "ru"
    return "kk" if kazakh >= 0.7 * len(said) else "mixed"
