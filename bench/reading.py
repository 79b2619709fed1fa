"""Who really waits, and what else the readers see: ``python -m bench.reading [--leave-one-out] [--reader today|new]``.

Measured on the corpus (:mod:`bench.corpus`), by business, on the foreign dialogs where they lie beside the tree, and on the
sandbox's companies of three verticals, whose labels come with the story. With
``--leave-one-out`` the new reader is trained for each business on the five others, thresholds and calibration too; without it
the weights in the tree are measured, which have seen the corpus. ``--by style`` leaves out a style instead. ``--show MEASURE``
prints what went wrong, line by line; ``--hide BUSINESS`` keeps a business unread, so that its figures stay those of a stranger.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench import topics, train_intents
from bench.support.readers import COMPLAINTS, Chat, New, Reader, Today, corpus_chats, foreign_chats, sandbox_chats

#: name, what is counted, and the aim: at least (+) or at most (-)
MEASURES = {
    "waits_real": ("of open waits shown, real", 0.85),
    "waits_missed": ("real waits missed", -0.03),
    "turns_real": ("the same at every turn: real", None),
    "turns_missed": ("the same at every turn: missed", None),
    "closing_asked": ("closing lines taken for a question", -0.15),
    "asking_closed": ("asking lines taken for closing", None),
    "complaint_false": ("dialogs with a false complaint", -0.03),
    "complaint_found": ("complaint dialogs found", 0.7),
    "promise_found": ("our promises found", 0.65),
    "promise_right": ("our promises right", 0.9),
    "objection_found": ("objections found", 0.6),
    "objection_right": ("objections right", 0.85),
    "refusal_found": ("refusals found", 0.7),
    "refusal_right": ("refusals right", 0.9),
    "outcome_right": ("outcome right", 0.65),
}


@dataclass
class Tally:
    """Parts and wholes by measure, with what went wrong."""

    part: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    whole: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def count(self, measure: str, is_so: bool, said: str = "", is_wrong: bool | None = None) -> None:
        self.whole[measure] += 1
        self.part[measure] += is_so
        if (not is_so) if is_wrong is None else is_wrong:
            self.wrong[measure].append(said)

    def add(self, other: Tally) -> None:
        for name in other.whole:
            self.whole[name] += other.whole[name]
            self.part[name] += other.part[name]
            self.wrong[name] += other.wrong[name]

    def share(self, measure: str) -> float | None:
        return self.part[measure] / self.whole[measure] if self.whole[measure] else None


def measure(chats: Iterable[Chat], reader: Reader) -> Tally:
    tally = Tally()
    for chat in chats:
        needs = reader.needs_reply(chat)
        _waits(chat, needs, tally)
        _lines(chat, needs, tally)
        _whole(chat, reader, tally)
    return tally


def _waits(chat: Chat, needs: Sequence[bool], tally: Tally) -> None:
    _wait(chat, chat.tail, needs, tally, "waits")
    for burst in chat.bursts:
        _wait(chat, burst, needs, tally, "turns")


def _wait(chat: Chat, lines: range, needs: Sequence[bool], tally: Tally, measure: str) -> None:
    tail = [i for i in lines if chat.talk[i].who == "client"]
    labels = {chat.needs[i] for i in tail}
    is_real, is_shown = "R" in labels, any(needs[i] for i in tail)
    if not tail or (not is_real and "S" in labels):
        return
    said = f"{chat.name}: {_before(chat, tail[0])} ⟶ " + " / ".join(_text(chat, i) for i in tail)
    if is_shown:
        tally.count(f"{measure}_real", is_real, said)
    if is_real:
        tally.count(f"{measure}_missed", not is_shown, said, not is_shown)


def _lines(chat: Chat, needs: Sequence[bool], tally: Tally) -> None:
    for i, label in enumerate(chat.needs):
        said = f"{chat.name}:{i} {chat.reasons[i]}: {_before(chat, i)} ⟶ {_text(chat, i)}"
        if label == "N":
            tally.count("closing_asked", needs[i], said, needs[i])
        elif label == "R":
            tally.count("asking_closed", not needs[i], said, not needs[i])


def _whole(chat: Chat, reader: Reader, tally: Tally) -> None:
    reading = reader.read(chat)
    named = [f"{chat.name} {item.kind}: {item.quote}" for item in reading.risks if item.kind in COMPLAINTS]
    if chat.is_complaint:
        tally.count("complaint_found", bool(named), f"{chat.name}: {_clients(chat)}")
    else:
        tally.count("complaint_false", bool(named), "; ".join(named), bool(named))
    said = {int(p.message_ids[0]) for p in reading.promises if p.who == "manager"}
    for i in sorted(chat.promises):
        tally.count("promise_found", i in said, f"{chat.name}:{i} {_text(chat, i)}")
    for i in sorted(said - chat.promises_may):
        tally.count("promise_right", i in chat.promises, f"{chat.name}:{i} {_text(chat, i)}")
    kinds = {item.kind: f"{chat.name} {item.kind}: {item.quote}" for item in reading.objections}
    for accepted in chat.objections:
        tally.count("objection_found", bool(accepted & set(kinds)), f"{chat.name} {sorted(accepted)}: {_clients(chat)}")
    for kind, quote in kinds.items():
        is_right = any(kind in accepted for accepted in chat.objections)
        if is_right or kind not in chat.objections_may:
            tally.count("objection_right", is_right, quote)
    outcome = reading.outcome.kind if reading.outcome else "unclear"
    told = f"{chat.name} {outcome} ≠ {sorted(chat.outcomes)}: {_clients(chat)}"
    if chat.is_refused:
        tally.count("refusal_found", outcome == "refused", told)
    if outcome == "refused":
        tally.count("refusal_right", chat.is_refused or "refused" in chat.outcomes, told)
    tally.count("outcome_right", outcome in chat.outcomes, told)


def _text(chat: Chat, i: int) -> str:
    said = chat.talk[i]
    return f"[{','.join(said.media)}] {said.text}" if said.media else said.text


def _before(chat: Chat, i: int) -> str:
    ours = [j for j in range(i) if chat.talk[j].who == "manager"]
    return "М: " + _text(chat, ours[-1])[-90:] if ours else "—"


def _clients(chat: Chat) -> str:
    return " / ".join(("" if s.who == "client" else "М: ") + _text(chat, i) for i, s in enumerate(chat.talk))[-500:]


def table(columns: dict[str, Tally]) -> str:
    """One line a measure, one column a group."""
    rows = [["measure", *columns, "aim"]]
    for name, (title, aim) in MEASURES.items():
        cells = [
            "—" if (share := tally.share(name)) is None else f"{share:.2f} ({tally.part[name]}/{tally.whole[name]})"
            for tally in columns.values()
        ]
        rows.append([title, *cells, "" if aim is None else f"≥ {aim:.2f}" if aim > 0 else f"≤ {-aim:.2f}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def by_group(
    chats: Sequence[Chat], beside: Mapping[str, Sequence[Chat]], reader_for: Callable[[Sequence[Chat]], Reader], by: str
) -> dict[str, Tally]:
    """A tally a group, of all, and of each set ``beside``. ``reader_for`` gets the chats of the other groups."""
    columns: dict[str, Tally] = {}
    for name in dict.fromkeys(getattr(chat, by) for chat in chats):
        inside = [chat for chat in chats if getattr(chat, by) == name]
        outside = [chat for chat in chats if getattr(chat, by) != name]
        columns[name] = measure(inside, reader_for(outside))
    everything = Tally()
    for tally in columns.values():
        everything.add(tally)
    columns["all"] = everything
    for name, others in beside.items():
        if others:
            columns[name] = measure(others, reader_for(chats))
    return columns


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reader", choices=["today", "new"], default="new")
    parser.add_argument("--leave-one-out", action="store_true", help="train on the other groups only")
    parser.add_argument("--by", choices=["business", "style"], default="business")
    parser.add_argument("--show", choices=list(MEASURES), action="append", default=[], help="list what went wrong")
    parser.add_argument("--hide", action="append", default=[], metavar="BUSINESS", help="list nothing of this business")
    chosen = parser.parse_args(arguments)
    beside = {"foreign": foreign_chats(), "sandbox": sandbox_chats()}
    columns = by_group(
        corpus_chats(), beside, _readers(chosen.reader, chosen.leave_one_out), "group" if chosen.by == "business" else "style"
    )  # fmt: skip
    print(table(columns))
    # how much of what is asked the topics cover: no aim
    print(f"\n{topics.table()}")
    for name in chosen.show:
        for column in ("all", "sandbox"):
            print(f"\n{MEASURES[name][0]} ({column}):")
            for said in columns[column].wrong[name]:
                if said.startswith(tuple(f"{business}-" for business in chosen.hide)):
                    continue
                print(" ", said.replace("\n", " "))


def _readers(reader: str, leaves_one_out: bool) -> Callable[[Sequence[Chat]], Reader]:
    if reader == "today":
        return lambda _: Today()
    if not leaves_one_out:
        return lambda _: New()
    return lambda others: New(model=train_intents.fit(others))


if __name__ == "__main__":
    main()
