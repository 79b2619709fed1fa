"""The labelled corpus: complete, and read by a parser that lets no slip through."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bench import corpus

HEAD = "# topic: price — сколько\n@ clinic-001 | style=formal | outcome=served | topics=price | complaint=no | refused=no\n"


def test_sixty_dialogs_a_business_ten_a_style() -> None:
    dialogs = corpus.load()
    assert Counter(d.business for d in dialogs) == dict.fromkeys(corpus.BUSINESSES, 60)
    assert Counter((d.business, d.style) for d in dialogs) == {
        (business, style): 10 for business in corpus.BUSINESSES for style in corpus.STYLES
    }
    assert [d.dialog_id for d in dialogs] == [f"{b}-{n:03d}" for b in corpus.BUSINESSES for n in range(1, 61)]


def test_every_line_of_a_client_is_labelled_and_no_other() -> None:
    lines = [line for d in corpus.load() for line in d.lines]
    assert all((line.need in ("R", "N", "S")) == (line.who == "client") for line in lines)
    assert all(bool(line.reason) == (line.who == "client") for line in lines)
    soft = sum(line.need == "S" for line in lines) / sum(line.who == "client" for line in lines)
    assert soft < 0.07
    # what it measures stands in it often enough
    assert sum(line.promise is not None for line in lines if line.who == "manager") > 150
    assert sum(bool(line.objections) for line in lines) > 100


def test_no_sentence_stands_in_two_dialogs() -> None:
    where: dict[tuple[str, ...], set[str]] = {}
    for dialog in corpus.load():
        for line in dialog.lines:
            words = [word.strip(".,!?()«»:;–—-") for word in line.text.lower().split()]
            words = [word for word in words if word]
            for at in range(len(words) - 6):
                where.setdefault(tuple(words[at : at + 7]), set()).add(dialog.dialog_id)
    assert {run: ids for run, ids in where.items() if len(ids) > 1} == {}


def test_a_line_as_it_is_read(tmp_path: Path) -> None:
    dialog = _read(
        tmp_path,
        HEAD
        + "C 1 10:02 скока ## R question, objection=price, objection=term, complaint\n"
        + "M:Айгуль 2 10:05 до вечера напишу ## promise=до вечера, ну к утру, rude\n"
        + "C 2 10:06 завтра зайду ## N thinking, client_promise=завтра\n",
    )
    asked, ours, last = dialog.lines
    assert (asked.need, asked.reason, asked.objections, asked.is_complaint) == (
        "R",
        "question",
        ("price", "term"),
        True,
    )
    assert (ours.who, ours.name, ours.promise, ours.is_rude) == ("manager", "Айгуль", "до вечера, ну к утру", True)
    assert (last.promise, last.is_complaint, (last.sent_at - asked.sent_at).total_seconds()) == (
        "завтра",
        False,
        86_640,
    )


@pytest.mark.parametrize(
    "rows",
    [
        "C 1 10:02 скока\n",
        "C 1 10:02 скока ## R thanks\n",
        "C 1 10:02 скока ## R question, rude\n",
        "C 1 10:02 скока ## R question, objection=weather\n",
        "C 1 10:02 скока ## R question, client_promise=\n",
        "C 1 10:02 скока ## R question\nM 1 10:01 сейчас\n",
        "C 1 25:02 скока ## R question\n",
        "X 1 10:02 скока ## R question\n",
        "C 1 10:02 скока ## R question\nM 1 10:03 да ## thanks\n",
        "C 1 10:02 скока ## R question\n@ clinic-002 | style=formal | outcome=served | topics=price | complaint=no | refused=no\n",
        "M 1 10:02 здравствуйте\n",
        "\nC 1 10:02 скока ## R question\n",
    ],
)
def test_what_does_not_follow_the_format_is_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(corpus.CorpusError, match=r"clinic\.txt:\d+"):
        _read(tmp_path, HEAD + rows)


@pytest.mark.parametrize(
    ("word", "wrong"),
    [("clinic-001", "shop-001"), ("formal", "loud"), ("served", "fine"), ("topics=price", "topics=size"), ("refused=no", "refused=maybe")],
)  # fmt: skip
def test_a_header_of_unknown_words_is_refused(tmp_path: Path, word: str, wrong: str) -> None:
    with pytest.raises(corpus.CorpusError):
        _read(tmp_path, HEAD.replace(word, wrong) + "C 1 10:02 скока ## R question\n")


def _read(folder: Path, text: str) -> corpus.Dialog:
    path = folder / "clinic.txt"
    path.write_text(text, encoding="utf-8")
    (dialog,) = corpus.read(path)
    return dialog
