"""What the model sees of a client's line: its letters, its words, what they do, and what was said before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from analysis.intents import words
from analysis.intents.talk import Said
from analysis.reading.morphology import is_person, tagged
from analysis.reading.normalisation import folded

_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_MARKS = re.compile(r":(imp|will[123]?|pres[123]?|past|inf|done|more)\b")
#: orders to nobody: «извините», «представьте», «давайте»
_NO_ORDER = re.compile(
    r"^(?!.*\b(?!(?:извинить|простить|представить|давать|смотреть|понять|поверить|слушать|знать):)\w+:imp)"
)
_CUT = re.compile(r"(?<=[.!?…])\s+|\n+")
_SMILE = re.compile(r"[)😀-🙏🤀-🧿❤♥👍👌🙌🔥🎉]")
_SAD = re.compile(r"\(\(|😢|😭|😡|😠|🤦|😞|😔|😤")
Features = dict[str, float]
#: groups of features, so that each can be measured alone
ALL = frozenset(("grams", "form", "context"))
#: characters of a line the model looks at
_LONGEST = 400
#: a line of more words is no answer to «как вас зовут»
_NAMED = 4


@dataclass(frozen=True)
class Form:
    """One text with what can be told of it alone."""

    #: dictionary forms with marks, spaces at both ends
    line: str
    lemmas: tuple[str, ...]
    classes: frozenset[str]
    marks: frozenset[str]
    #: the words as they stand, in plain Cyrillic
    plain: tuple[str, ...]
    #: features of form: length, signs, digits
    signs: tuple[str, ...]

    @cached_property
    def clauses(self) -> tuple[str, ...]:
        """Turns of phrase; of lines of ours nobody asks for them."""
        return tuple(name for name, pattern in words.CLAUSES.items() if pattern.search(self.line))

    @cached_property
    def grams(self) -> tuple[str, ...]:
        """Features of letters and words; of lines of ours nobody asks for them."""
        lemmas = self.lemmas
        grams = [f"l:{a}" for a in lemmas]
        grams += [f"b:{a} {b}" for a, b in zip(("^", *lemmas), (*lemmas, "$"), strict=False)]
        if lemmas:
            grams += [f"first:{lemmas[0]}", f"last:{lemmas[-1]}"]
        for word in self.plain:
            padded = f"<{word}>"
            for size in (3, 4, 5):
                grams += [f"c:{padded[at : at + size]}" for at in range(len(padded) - size + 1)]
        return tuple(dict.fromkeys(grams))


@lru_cache(maxsize=8192)
def form(text: str) -> Form:
    """The text as the model sees it."""
    bare = folded(text[:_LONGEST])
    line = words.cyrillic_line(tagged(bare).line)
    lemmas = tuple(_MARKS.sub("", form) for form in line.split() if form[0].isalpha() or form == "#")
    plain = [words.cyrillic(word) for word in _WORD.findall(bare)]
    found = frozenset(name for word in {*lemmas, *plain} for name in words.classes(word))
    marks = set(_MARKS.findall(line))
    if _NO_ORDER.search(line):
        marks.discard("imp")
    if 0 < len(plain) <= _NAMED and any(is_person(word) for word in _WORD.findall(bare)):
        marks.add("person")
    if words.kazakh(bare, plain):
        marks |= {"kk", *words.kazakh_marks(plain)}
    return Form(line, lemmas, found, frozenset(marks), tuple(plain), tuple(_signs(bare, plain)))


def _signs(text: str, plain: Sequence[str]) -> list[str]:
    found = [f"long:{next((n for n in (0, 1, 2, 3, 5, 8, 13, 21, 34) if len(plain) <= n), 99)}"]
    if "?" in text:
        found.append("mark:?")
        if text.rstrip(" )(!.").endswith("?"):
            found.append("mark:?$")
    if "??" in text or "?!" in text or "!?" in text:
        found.append("mark:??")
    if "!" in text:
        found.append("mark:!")
    if _SMILE.search(text):
        found.append("mark:smile")
    if _SAD.search(text):
        found.append("mark:sad")
    if any(char.isdigit() for char in text):
        found.append("mark:digit")
        if sum(char.isdigit() for char in text) > 6:
            found.append("mark:number")
    if re.search(r"\d{1,2}[:.]\d\d\b", text):
        found.append("mark:clock")
    if text and not plain:
        found.append("mark:wordless")
    if "," in text:
        found.append("mark:comma")
    return found


@lru_cache(maxsize=8192)
def acts(text: str, media: tuple[str, ...]) -> tuple[str, ...]:
    """What a line of ours does."""
    seen = form(text)
    found = [name for name, pattern in words.ACTS.items() if pattern.search(seen.line)]
    if "asks" in found and not text.rstrip(" )(!.🙂😊").endswith("?"):
        found.append("asks_inside")
    if media:
        found.append("sends")
    return tuple(found or ["tells"])


def _gap(minutes: float) -> str:
    return next((str(n) for n in (1, 5, 30, 180, 720, 1440, 4320) if minutes <= n), "more")


def of(talk: Sequence[Said], i: int, needed: Sequence[bool | None], groups: frozenset[str] = ALL) -> Features:
    """Features of the client's line ``i``; ``needed``: what was decided of the lines before it."""
    said = talk[i]
    seen = form(said.text)
    found: Features = {"bias": 1.0}
    if "grams" in groups and seen.grams:
        weight = GRAMS / len(seen.grams) ** 0.5
        found.update(dict.fromkeys(seen.grams, weight))
    if "form" in groups:
        own = [*seen.signs, *(f"is:{name}" for name in seen.classes), *(f"verb:{mark}" for mark in seen.marks), *(f"media_{'with' if said.text else 'only'}:{kind}" for kind in said.media)]  # fmt: skip
        own += ["media_with"] if said.media and said.text else ["media_only"] if said.media else []
        own += ["quiet"] if _is_quiet(seen) else []
        own += ["no_class"] if not seen.classes else []
        listed = sorted(seen.classes | {f"v{m}" for m in seen.marks} | {s for s in seen.signs if s == "mark:?"})
        size = "short" if len(seen.lemmas) <= 4 else "middle" if len(seen.lemmas) <= 12 else "long"
        own += [f"{size}:{name}" for name in (*seen.classes, *seen.marks)]
        own += [f"clause:{name}" for name in seen.clauses]
        own += _sentences(said.text)
        found.update(dict.fromkeys(own, 1.0))
        pairs = [f"two:{a}+{b}" for n, a in enumerate(listed) for b in listed[n + 1 :]]
        if pairs:
            found.update(dict.fromkeys(pairs, min(1.0, 3.0 / len(pairs) ** 0.5)))
    if "context" in groups:
        found.update(dict.fromkeys(_context(talk, i, needed, seen), 1.0))
    return found


def sentences(text: str) -> list[str]:
    return [part for part in _CUT.split(text[: 3 * _LONGEST]) if part.strip()]


def _sentences(text: str) -> list[str]:
    """What the first and the last sentence of several do."""
    parts = sentences(text)
    if len(parts) < 2:
        return []
    first, last = form(parts[0]), form(parts[-1])
    return [
        "sentences",
        *(f"first_says:{name}" for name in (*first.classes, *first.marks)),
        *(f"last_says:{name}" for name in (*last.classes, *last.marks)),
        f"last_is:{'quiet' if _is_quiet(last) else 'loud'}",
        f"any_is:{'quiet' if all(_is_quiet(form(part)) for part in parts) else 'loud'}",
    ]


GRAMS = 2.0
_LOUD = frozenset(("ask", "want", "bad", "remind", "dear", "particle"))


def _is_quiet(seen: Form) -> bool:
    """Nothing in the line asks, orders or accuses."""
    return not (
        seen.classes & _LOUD or seen.marks & {"imp", "pres2", "will2", "kk:imp", "kk:asks"} or "mark:?" in seen.signs
    )


def _context(talk: Sequence[Said], i: int, needed: Sequence[bool | None], seen: Form) -> list[str]:
    said = talk[i]
    ours = next((j for j in range(i - 1, -1, -1) if talk[j].who == "manager"), -1)
    burst = [j for j in range(ours + 1, i) if talk[j].who == "client"]
    found = [f"burst:{min(len(burst), 3)}"]
    quiet = "quiet" if _is_quiet(seen) else "loud"
    turns = sum(1 for j in range(1, i + 1) if talk[j].who == "client" and talk[j - 1].who == "manager")
    found += [f"turn:{min(turns, 4)}", f"turn:{min(turns, 2)}:{quiet}"]
    is_open = any(needed[j] for j in burst)
    if burst:
        found.append(f"open_before:{is_open}")
        before = form(talk[burst[-1]].text)
        found += [f"open_before:{is_open}:{name}" for name in (*seen.classes, *seen.signs[:1])]
        found += [f"after:{name}" for name in before.classes]
        found.append("since_client:" + _gap((said.sent_at - talk[burst[-1]].sent_at).total_seconds() / 60))
        if "mark:?" in before.signs:
            found.append("after:?")
        if talk[burst[-1]].media:
            found.append("after:media")
    if ours < 0:
        found.append("first_turn")
        found += [f"first_turn:{quiet}", *(f"first_turn:verb:{mark}" for mark in seen.marks)]
        found.append("robot" if any(s.who == "bot" for s in talk[:i]) else "no_robot")
        found += [f"first_turn:{name}" for name in seen.classes]
        return found
    gap = _gap((said.sent_at - talk[ours].sent_at).total_seconds() / 60)
    found.append(f"since_ours:{gap}")
    run = [ours]
    while run[-1] > 0 and talk[run[-1] - 1].who == "manager":
        run.append(run[-1] - 1)
    done = dict.fromkeys(name for j in run[:3] for name in acts(talk[j].text, talk[j].media))
    place = "now" if not burst else "later"
    asked = "asked" if "asks" in done else "told"
    found += [f"{asked}:{quiet}:{place}", f"{asked}:{quiet}:{place}:{is_open}"]
    found += [f"{asked}:verb:{mark}" for mark in seen.marks]
    found += [f"{asked}:is:{name}" for name in seen.classes]
    found += [f"{asked}:{sign}" for sign in seen.signs]
    found += [f"{asked}:clause:{name}" for name in seen.clauses]
    if said.media:
        found.append(f"{asked}:media:{bool(said.text)}")
    earlier = {name for j in range(run[-1]) if talk[j].who == "manager" for name in acts(talk[j].text, talk[j].media)}
    found += [f"state:{name}" for name in ("booked", "promises", "sends", "reminds") if name in earlier]
    size = "short" if len(seen.lemmas) <= 3 else "long"
    kinds = [name for name in seen.classes if name in _ANSWERS] or ["other"]
    for name in done:
        found += [f"ours:{name}:{place}", f"ours:{name}:{size}:{place}", f"ours:{name}:{quiet}:{place}"]
        if not burst:
            found += [f"ours:{name}+{kind}" for kind in kinds]
            found += [f"ours:{name}+{sign}" for sign in seen.signs[1:]]
            found += [f"ours:{name}+media:{kind}" for kind in said.media]
    promised = [
        talk[j].text for j in run[:3] if "promises" in acts(talk[j].text, ()) or "told_time" in acts(talk[j].text, ())
    ]
    if promised:
        closing = "closes" if seen.classes & _CLOSING and len(seen.lemmas) <= 6 else quiet
        found += [f"promised:{gap}", f"promised:{gap}:{closing}"]
        if {lemma for text in promised for lemma in form(text).lemmas if "time" in words.classes(lemma)} & set(
            seen.lemmas
        ):
            found.append(f"echo:{gap}")
    if burst:
        waited = (said.sent_at - talk[burst[-1]].sent_at).total_seconds() / 60 > 45
        found += [f"waited:{waited}:{quiet}", f"waited:{waited}:{bool(promised)}"]
    last = form(talk[ours].text)
    said_again = len(set(last.lemmas) & set(seen.lemmas))
    found += [f"{asked}:again:{min(said_again, 3)}", f"again:{min(said_again, 3)}:{size}"]
    if last.lemmas:
        found += [f"ours_last:{last.lemmas[-1]}", f"ours_first:{last.lemmas[0]}"]
    return found


_CLOSING = frozenset(("thanks", "consent", "got_it", "wait", "farewell", "praise", "travel"))
_ANSWERS = frozenset(
    ("thanks", "consent", "got_it", "yes", "no", "wait", "think", "travel", "praise", "ask", "want", "time", "later", "elsewhere", "pay", "remind", "dear", "kin", "laugh")
)  # fmt: skip
