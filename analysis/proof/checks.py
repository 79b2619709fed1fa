"""Whether a sentence stands in the messages it names: :func:`refuse` gives the first reason why not.

Quotes stand word for word; numbers, sums, days, hours and names occur in the cited lines or the card; what somebody is said to have done is
shown by a line of theirs; what is denied is not there; the words of the sentence are mostly words of the lines. A sentence of
a person or a model may be true and still be refused: what nothing shows is not shipped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from analysis.proof import acts, quantities, words
from analysis.proof.evidence import Evidence
from analysis.reading.grounding import find_quote
from analysis.reading.morphology import is_known
from analysis.reading.normalisation import folded, has_link, is_russian, name_stem, shown, visible
from analysis.reading.sentences import Line

LONGEST = 300
_CITED_AT_MOST = 12
_QUOTE = re.compile(r"«([^«»]{1,300})»|\"([^\"]{1,300})\"|“([^“”]{1,300})”")
_PIECE = re.compile(r"[,;.]\s|\n")
_MARK = re.compile(r"⟪(\d+)⟫")
_CLAUSE = re.compile(r";\s|,\s|\s[—–-]\s|:\s(?!\s{0,2}⟪)|\s(?=(?:но|а|однако|зато)\s)|(?<=[.!?…])\s")
_TOKEN = re.compile(r"⟪\d+⟫|[^\W\d_]+|\d+")
_NOT = ("не", "ни", "нет", "без", "нельзя", "никогда")
#: a report tells; it commands nobody and speaks of no machinery
_INSTRUCTION = re.compile(
    r"\b(?:парол\w{0,20}|токен\w{0,20}|api|промпт\w{0,20}|инструкци\w{1,20}|систем\w{1,20} сообщ\w{1,20}|игнорир\w{1,20}|уволь\w{0,20}|увол\w{1,20}|взлом\w{0,20}|ключ\w{0,20} доступа)\b|[<>{}⟦⟧\[\]]",
    re.I,
)
_LATIN = re.compile(r"[A-Za-z]{2,40}[\w.-]{0,40}")
_UNANSWERED = re.compile(r"\bбез ответа\b|\bжд[её]т ответа\b|\bне дождал\w{1,20}")
_DOWN = frozenset(["снизить", "снижать", "уменьшить", "уступить", "понизить", "сбавить"])
_UP = frozenset(["поднять", "повысить", "увеличить", "поднимать", "завысить"])
#: share of the sentence's own words that lines must hold, and of a promise's
_SHARE, _SHARE_OF_PROMISE = 0.6, 0.75


@dataclass
class _Clause:
    """A piece of the sentence with who it speaks of: client, manager, or nobody named."""

    who: str
    text: str
    tokens: list[tuple[str, str]] = field(default_factory=list)
    authors: frozenset[str] = frozenset()


def refuse(text: str, message_ids: Sequence[str], evidence: Evidence, *, is_step: bool = False) -> str | None:
    """The reason why the sentence may not be shown, or None: ``form``, ``language``, ``message``, ``quote``, ``number``, ``date``,
    ``name``, ``who``, ``act``, ``negation``, ``direction`` or ``words``. ``is_step``: what is to be done, which no line shows yet: its
    quotes, numbers, dates and names are checked."""
    text = text.strip()
    if not text or len(text) > LONGEST or "\n" in text or visible(text) != text or re.search(r"[<>{}⟪⟫]", text):
        return "form"
    if not message_ids or len(message_ids) > _CITED_AT_MOST:
        return "message"
    cited = evidence.cited(message_ids)
    if not cited:
        return "message"
    quotes = ["".join(match) for match in _QUOTE.findall(text)]
    if any(find_quote(_uncut(quote), cited) is None for quote in quotes):
        return "quote"
    counter = iter(range(len(quotes)))
    rest = _QUOTE.sub(lambda m: f" ⟪{next(counter)}⟫ ", text)
    bare = _MARK.sub(" ", rest)
    if has_link(bare) or "[ссылка]" in shown(bare, LONGEST) or "!" in bare or "?" in bare:
        return "form"
    if _INSTRUCTION.search(bare) or any(mark == "imp" for _, mark in words.marked(bare)):
        return "form"
    if re.search(r"[^\W\d_]", bare) and not is_russian(bare):
        return "language"
    clauses = _clauses(rest, evidence)
    checks = (
        lambda: _wrong_numbers(bare, cited, evidence),
        lambda: _wrong_moments(bare, cited, evidence),
        lambda: _wrong_names(bare, cited, evidence),
    )
    said_checks = (
        lambda: _wrong_people(clauses, cited, quotes),
        lambda: _wrong_acts(clauses, cited, quotes, evidence),
        lambda: _wrong_polarity(clauses, cited),
        lambda: _wrong_direction(bare, cited),
        lambda: _wrong_words(clauses, cited, evidence),
    )
    return next((why for check in (*checks, *(() if is_step else said_checks)) if (why := check()) is not None), None)


def _uncut(quote: str) -> str:
    """A quote shortened for showing ends at three dots the message does not have."""
    return quote.removesuffix("…").removesuffix("...").strip()


def _text_of(lines: Sequence[Line]) -> str:
    return "\n".join(line.text for line in lines)


def _wrong_numbers(bare: str, cited: Sequence[Line], evidence: Evidence) -> str | None:
    said = quantities.numbers(bare)
    if not said:
        return None
    known = quantities.numbers(_text_of(cited), generous=True) | quantities.numbers(evidence.card, generous=True)
    # the day of a deadline is said by no digit of the message
    known_days = {int(one[1:]) for one in quantities.said_moments(cited) if re.fullmatch(r"n\d+", one)}
    days = {int(one[1:].split(".")[0]) for one in quantities.moments(bare) if re.fullmatch(r"[dn]\d.*", one)}
    return None if all(number in known or (int(number) in days & known_days) for number in said) else "number"


def _wrong_moments(bare: str, cited: Sequence[Line], evidence: Evidence) -> str | None:
    said = quantities.moments(bare) - {"день", "час", "минута", "год", "сейчас"}
    known = quantities.said_moments(cited) | quantities.moments(evidence.card)
    hours = {one for one in said if ":" in one}
    spoken = {f"{int(number)}:00" for number in quantities.numbers(_text_of(cited)) if number == int(number)}
    there = quantities.day_words(_text_of(cited)) + quantities.day_words(evidence.card)
    if any(count > there[word] for word, count in quantities.day_words(bare).items()):
        return "date"
    if any(not _said_together(piece, cited) for piece in _PIECE.split(bare)):
        return "date"
    return None if said - hours <= known and hours <= known | spoken else "date"


def _said_together(piece: str, cited: Sequence[Line]) -> bool:
    """An hour and the day beside it stand beside each other in a line, too: «сегодня 19:10, завтра 9:30»."""
    hours = {one for one in quantities.moments(piece) if ":" in one}
    days = set(quantities.day_words(piece))
    if not hours or not days:
        return True
    said = [part for line in cited for part in _PIECE.split(line.text)]
    return any(
        hours | days <= quantities.moments(part) or not _days(part) for part in said if hours & quantities.moments(part)
    )


def _days(text: str) -> set[str]:
    return set(quantities.day_words(text))


def _wrong_names(bare: str, cited: Sequence[Line], evidence: Evidence) -> str | None:
    """A capital letter or a Latin word that stands in no cited line and in no card."""
    sources = _text_of(cited) + "\n" + evidence.card
    low = folded(sources)
    authors = {line.author for line in cited if line.author}
    for match in re.finditer(r"[^\W\d_]+(?:-[^\W\d_]+)*", bare):
        word, plain = match[0], folded(match[0])
        if of := _named(plain, evidence.manager_words):
            if not of & authors and plain not in low:
                return "who"
            continue
        if _named(plain, evidence.client_words):
            continue
        begins = not bare[: match.start()].strip() or bare[: match.start()].rstrip()[-1:] in ".:"
        is_name = word[0].isupper() and (not begins or not is_known(plain))
        is_foreign = _LATIN.fullmatch(word) is not None
        if (is_name or is_foreign) and not re.search(rf"(?<![^\W_]){name_stem(plain)}", low, re.I):
            return "name"
    return None


def _named(word: str, names: dict[str, frozenset[str]]) -> frozenset[str]:
    """Whose name the word is, in any case of it."""
    if len(word) < 3:
        return frozenset()
    return next(
        (of for name, of in names.items() if len(name) > 2 and re.fullmatch(name_stem(name), word, re.I)), frozenset()
    )


def _clauses(rest: str, evidence: Evidence) -> list[_Clause]:
    """Pieces by who they speak of; a piece without a subject goes on with the one before."""
    found: list[_Clause] = []
    who, authors = "", frozenset[str]()
    for piece in _CLAUSE.split(rest):
        if not piece or not piece.strip():
            continue
        start, spoke = 0, False
        for match in _TOKEN.finditer(piece):
            word = folded(match[0])
            subject, of = _subject(word, evidence)
            if not subject:
                continue
            if spoke and subject != who:
                found.append(_Clause(who, piece[start : match.start()], authors=authors))
                start = match.start()
            who, authors, spoke = subject, of, True
        found.append(_Clause(who, piece[start:], authors=authors))
    for clause in found:
        clause.tokens = list(words.marked(_MARK.sub(" ", clause.text)))
    return found


def _subject(word: str, evidence: Evidence) -> tuple[str, frozenset[str]]:
    """Who a word in its first case names."""
    if word in words.CLIENT or word in evidence.client_words:
        return "client", frozenset()
    if word in words.MANAGER:
        return "manager", frozenset()
    if len(word) > 2 and (of := evidence.manager_words.get(word)):
        return "manager", of
    return "", frozenset()


def _of(who: str, lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if not who or line.kind == who or (who == "manager" and line.kind == "bot")]


def _wrong_people(clauses: Sequence[_Clause], cited: Sequence[Line], quotes: Sequence[str]) -> str | None:
    """What is said of one side stands in lines of that side."""
    for clause in clauses:
        if not clause.who:
            continue
        verbs = {word for word, _ in clause.tokens}
        marks = {mark for _, mark in clause.tokens}
        own, other = _of(clause.who, cited), [line for line in cited if line not in _of(clause.who, cited)]
        does = verbs & frozenset(acts.OF_VERB)
        if verbs & acts.RECEIVES:
            continue
        if does and not own and not _denies(clause):
            return "who"
        if clause.authors and own and not any(line.author in clause.authors for line in own if line.kind == "manager"):
            return "who"
        answers = bool(verbs & _ANSWER)
        for number in _MARK.findall(clause.text):
            if not answers and marks - {""} and find_quote(_uncut(quotes[int(number)]), own) is None:
                return "who"
        numbers = quantities.numbers(_MARK.sub(" ", clause.text))
        if numbers and does and other and not answers:
            here = quantities.numbers(_text_of(own), generous=True)
            there = quantities.numbers(_text_of(other), generous=True)
            if any(number in there and number not in here for number in numbers):
                return "who"
        said = [word for word in words.content(_MARK.sub(" ", clause.text)) if word not in acts.SPEECH]
        if said and other and does and not answers:
            mine, theirs = (words.all_means(words.lemmas(_text_of(lines))) for lines in (own, other))
            held = [word for word in said if words.means(word) & mine]
            if not held and any(words.means(word) & theirs for word in said):
                return "who"
    return None


_ANSWER = next(act.verbs for act in acts.ACTS if act.name == "answer")


def _denies(clause: _Clause) -> bool:
    return any(word in _NOT for word, _ in clause.tokens)


def _wrong_acts(
    clauses: Sequence[_Clause], cited: Sequence[Line], quotes: Sequence[str], evidence: Evidence
) -> str | None:
    for clause in clauses:
        own = _of(clause.who, cited)
        text = folded(clause.text)
        if _UNANSWERED.search(text):
            theirs = [line for line in cited if line.kind == "client"]
            if not theirs or any(line.text for line in evidence.after(theirs[-1], "manager")):
                return "act"
        for place, (word, mark) in enumerate(clause.tokens):
            act = acts.OF_VERB.get(word)
            if act is None or mark not in ("past", "pres3", "done", ""):
                continue
            if place and clause.tokens[place - 1][0] in ("не", "ни"):
                if not _is_absent(act, clause, cited, quotes, evidence):
                    return "negation"
            elif not any(act.shows(line, evidence) for line in own):
                return "act"
    return None


def _is_absent(
    act: acts.Act, clause: _Clause, cited: Sequence[Line], quotes: Sequence[str], evidence: Evidence
) -> bool:
    """Whether nothing of this side shows the act, neither in the cited lines nor after them."""
    if not clause.who:
        return False
    own = _of(clause.who, cited)
    if act.name == "answer":
        other = [line for line in cited if line not in own]
        last = (other or list(cited))[-1]
        return not own and not evidence.after(last, clause.who) if other else False
    if act.name in ("say", "want", "complain", "object"):
        return False
    if any(find_quote(_uncut(quotes[int(number)]), own) is not None for number in _MARK.findall(clause.text)):
        return False
    if not own and not evidence.lines:
        return False
    wanted = {
        one
        for word in words.content(_MARK.sub(" ", clause.text))
        if word not in acts.SPEECH
        for one in words.means(word)
    }
    for line in evidence.lines:
        if line.kind != clause.who or not act.shows(line, evidence):
            continue
        if line in own or not wanted or wanted & words.all_means(words.lemmas(line.text)):
            return False
    return True


def _polarities(tokens: Sequence[tuple[str, str]]) -> dict[str, set[bool]]:
    """Word → whether it was denied, each time it stands there."""
    found: dict[str, set[bool]] = {}
    for place, (word, _) in enumerate(tokens):
        if word in _NOT:
            continue
        before = [one for one, _ in tokens[max(0, place - 2) : place]]
        is_denied = bool(before) and (before[-1] in _NOT or (len(before) == 2 and before[0] in ("нет", "ни")))
        found.setdefault(word, set()).add(is_denied)
    return found


def _wrong_polarity(clauses: Sequence[_Clause], cited: Sequence[Line]) -> str | None:
    """A word is denied in the sentence as it is in the line; what is denied must be there at all."""
    in_lines: dict[str, set[bool]] = {}
    for line in cited:
        for word, found in _polarities(words.marked(line.text)).items():
            in_lines.setdefault(word, set()).update(found)
    for clause in clauses:
        for word, said in _polarities(clause.tokens).items():
            known = in_lines.get(word)
            # what every line denies, and what none does, is told so, be it only «не на склад»
            if known is not None and len(known) == 1 and not said & known:
                return "negation"
            if word in acts.SPEECH or word in words.FUNCTION or len(word) < 3:
                continue
            if known is not None and not said <= known:
                return "negation"
            if known is None and True in said and not _denied_alike(word, in_lines):
                return "negation"
        for place, (word, _) in enumerate(clause.tokens):
            follows = clause.tokens[place + 1][0] if place + 1 < len(clause.tokens) else ""
            if (
                word == "не"
                and follows in words.FUNCTION
                and follows not in acts.SPEECH
                and True not in in_lines.get(follows, set())
            ):
                return "negation"
    return None


def _denied_alike(word: str, in_lines: dict[str, set[bool]]) -> bool:
    """«нет цвета» of «цвет не тот»: a word of the same meaning is denied there."""
    wanted = words.means(word)
    return any(True in found and wanted & words.means(other) for other, found in in_lines.items())


def _wrong_direction(bare: str, cited: Sequence[Line]) -> str | None:
    """«дешевле», «больше» stand in a line; a price that went down went from the larger to the smaller."""
    marked = words.marked(bare)
    there = {word for line in cited for word, _ in words.marked(line.text)}
    if any(mark == "more" and word not in there for word, mark in marked):
        return "direction"
    verbs = {word for word, _ in marked}
    if verbs & (_DOWN | _UP):
        order = [
            quantities.numbers(match[0]) for match in re.finditer(r"\d[\d \u00a0\u202f]*(?:тыс\w*|к\b|млн)?", bare)
        ]
        values = [next(iter(one)) for one in order if one]
        if len(values) >= 2:
            return None if (values[0] > values[-1]) == bool(verbs & _DOWN) else "direction"
        if not verbs & there and not there & (_DOWN | _UP | {"скидка", "дешевле"}):
            return "direction"
    return None


def _wrong_words(clauses: Sequence[_Clause], cited: Sequence[Line], evidence: Evidence) -> str | None:
    """Most of what the sentence says in words of its own is said in the lines or the card."""
    known = words.all_means(words.lemmas(_text_of(cited))) | words.all_means(words.lemmas(evidence.card))
    if any(line.has_media for line in cited):
        known |= words.all_means(("фото", "файл", "голосовое", "видео", "документ"))
    whole = 0
    held = 0
    for clause in clauses:
        said = [word for word in words.content(_MARK.sub(" ", clause.text)) if word not in acts.SPEECH]
        said = [
            word
            for word in said
            if not _named(word, evidence.manager_words) and not _named(word, evidence.client_words)
        ]
        hits = sum(bool(words.means(word) & known) for word in said)
        promises = any(
            acts.OF_VERB.get(word) is not None and acts.OF_VERB[word].name == "promise" for word, _ in clause.tokens
        )
        if promises and said and hits < _SHARE_OF_PROMISE * len(said):
            return "words"
        whole, held = whole + len(said), held + hits
    return "words" if whole and held < _SHARE * whole else None
