"""The topics of a dialog by rules, and the client's questions no topic covers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from analysis.reading.models import Item
from analysis.reading.sentences import Sentence
from analysis.topics.catalogue import Catalogue
from analysis.topics.grouping import subjects
from analysis.topics.matching import matcher
from synkro.tenancy.topics import OTHER

#: questions without a topic kept of one dialog
_MOST = 6
#: the reasons of a message that ask for something; an answer to our question or a greeting asks about nothing
ASKING = frozenset(("question", "request", "booking", "continued"))


def find(catalogue: Catalogue, sentences: Sequence[Sentence], asks: Callable[[Sentence], bool]) -> tuple[Item, ...]:
    """One item a topic, where it is first spoken of, and one a question without a topic; in the order of the dialog.

    ``asks``: whether a sentence asks for something. Lines a client sends one after another are one question.
    """
    look = matcher(catalogue)
    seen: set[str] = set()
    found: list[Item] = []
    left = _MOST
    for _, turn in groupby(sentences, key=lambda sentence: sentence.line.kind):
        told = list(turn)
        if told[0].line.kind != "client":
            continue
        is_covered = False
        for sentence in told:
            for key, place in look.find(sentence.folded):
                is_covered = True
                if key not in seen:
                    seen.add(key)
                    found.append(_item(key, sentence, place))
        asked = next((s for s in told if asks(s) and subjects(s.folded)), None)
        if not is_covered and asked is not None and left:
            left -= 1
            found.append(_item(OTHER, asked))
    return tuple(found)


def _item(key: str, sentence: Sentence, near: int = 0) -> Item:
    return Item(key, (sentence.line.message_id,), sentence.quote(near), "", sentence.line.author)
