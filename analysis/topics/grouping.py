"""Questions without a topic, gathered by the words they share: what a new topic may be made of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from analysis.reading.morphology import subject
from analysis.reading.normalisation import folded

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
#: what any question may hold and none is about
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "быть мочь есть хотеть хотеться сказать подсказать говорить спросить узнать уточнить написать писать ответить ответ вопрос знать понять делать сделать"
        " дать давать скинуть прислать пожалуйста здравствуйте добрый день утро вечер ночь привет спасибо салам салем час минута неделя месяц год время сегодня завтра вчера"
        " понедельник вторник среда четверг пятница суббота воскресенье воскресение один первый второй такой какой который каждый весь самый другой сам свой наш ваш мой твой этот"
        " нужный надо нужно интересовать интересно смотреть посмотреть думать получиться получать иметь стать идти прийти жду ждать человек алло раз вообще можно"
        " бар деген кабыл алай болады керек рахмет сәлем сәлеметсіз қалай калай ма ба па айтыңызшы жоқ иә маған бізге сізде менің қандай ғой тоже вроде просто",
    )
)
_MOST_GROUPS = 8
_QUOTES = 3
#: a word makes a group where so many dialogs share it
_LEAST = 2


@dataclass(frozen=True)
class Question:
    dialog_id: str
    message_ids: tuple[str, ...]
    quote: str


@dataclass(frozen=True)
class Group:
    """Questions of ``count`` messages that share ``words``; none for those that share nothing."""

    words: tuple[str, ...]
    questions: tuple[Question, ...]

    @property
    def shown(self) -> tuple[Question, ...]:
        """A few of them, each of another dialog."""
        by_dialog: dict[str, Question] = {}
        for question in self.questions:
            by_dialog.setdefault(question.dialog_id, question)
        return tuple(by_dialog.values())[:_QUOTES]


@lru_cache(maxsize=20_000)
def subjects(text: str) -> frozenset[str]:
    """Dictionary forms of what a folded text speaks of."""
    found = {subject(word) for word in _WORD.findall(text)}
    return frozenset(found - _COMMON - {""})


def groups(questions: Sequence[Question]) -> list[Group]:
    """The largest first; what shares no word with another dialog is the last group, without words."""
    left = [(question, subjects(folded(question.quote))) for question in questions]
    found: list[Group] = []
    while len(found) < _MOST_GROUPS:
        dialogs: dict[str, set[str]] = {}
        for question, words in left:
            for word in words:
                dialogs.setdefault(word, set()).add(question.dialog_id)
        best = min(dialogs, key=lambda word: (-len(dialogs[word]), word), default="")
        if not best or len(dialogs[best]) < _LEAST:
            break
        inside = [(question, words) for question, words in left if best in words]
        left = [(question, words) for question, words in left if best not in words]
        also = Counter(word for _, words in inside for word in words)
        # a word in half of them belongs to what they ask about
        shared = sorted(
            (w for w, n in also.items() if w != best and n >= _LEAST and 2 * n >= len(inside)),
            key=lambda w: (-also[w], w),
        )
        found.append(Group((best, *shared[:3]), tuple(question for question, _ in inside)))
    if left:
        found.append(Group((), tuple(question for question, _ in left)))
    return found
