"""One home per metric: its label, direction, unit, rounding and denominator are written in the registry and nowhere else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from synkro.core.settings import ROOT
from synkro.metrics.generated import FILES
from synkro.metrics.metric import NUMERIC
from synkro.metrics.registry import MANAGERS, NUMBERS, REPORTED, SUMMARY, TABLES, of_manager

PACKAGES = ("synkro", "analysis", "app", "cli", "delivery", "ingestion", "orchestration", "services")
ALL = (*SUMMARY.values(), *MANAGERS.values())
COLUMNS = {metric.column for metric in ALL if metric.is_number}
LABELS = {
    text
    for metric in ALL
    if metric.is_number
    for text in (metric.label_ru, metric.label_en, metric.short_ru, metric.short_en)
    if text
}
FOLDED = {label.casefold() for label in LABELS}
#: what only a registry says of a column
UNITS = frozenset({*NUMERIC, "percent"})
WAYS = frozenset({"up", "down", "more", "less", "higher", "lower", "better", "worse"})
#: the name of a list that says which way is good
_DIRECTION = re.compile(r"better|worse|neutral|good|bad|lower|higher|direction", re.I)


def product() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.parent != ROOT / "synkro" / "metrics":
                yield path


def said_elsewhere(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """``(line, what)`` of every fact of a metric that this code says itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value.strip(" .:").casefold()
            # one word («Сообщения») is a word of the language; two are a label
            if " " in text and text in FOLDED:
                yield node.lineno, f"label «{node.value}»"
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                yield from _paired(_words(key), _words(value), node.lineno)
        elif isinstance(node, ast.Call):
            yield from _listed([*node.args, *(one.value for one in node.keywords)], node.lineno)
        elif isinstance(node, ast.Tuple | ast.List):
            yield from _listed(node.elts, node.lineno)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = any(isinstance(one, ast.Name) and _DIRECTION.search(one.id) for one in targets)
            if named and len(COLUMNS & set(_inside(node.value))) >= 2:
                yield node.lineno, "which way is good"


def _listed(items: list[ast.expr], line: int) -> Iterator[tuple[int, str]]:
    words = [word for item in items for word in _words(item)]
    if columns := [word for word in words if _column(word)]:
        yield from _paired(columns[:1], [word for word in words if word != columns[0]], line)


def _paired(keys: list[str], values: list[str], line: int) -> Iterator[tuple[int, str]]:
    column = next((found for key in keys if (found := _column(key))), None)
    if column is None:
        return
    for value in values:
        if value in UNITS or value in WAYS:
            yield line, f"{column}: {value}"
        if value.strip(" .:") in LABELS:
            yield line, f"label of {column}: «{value}»"
        if value and value in {metric.denominator for metric in ALL if metric.column == column}:
            yield line, f"denominator of {column}"


def _column(word: str) -> str | None:
    """«deals_won», «number.deals_won»."""
    name = word.removeprefix("number.")
    return name if name in COLUMNS else None


def _words(node: ast.expr | None) -> list[str]:
    if isinstance(node, ast.Tuple | ast.List):
        return [word for one in node.elts for word in _words(one)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _inside(node: ast.AST) -> list[str]:
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def test_no_fact_of_a_metric_is_written_elsewhere() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {what}"
        for path in product()
        for line, what in said_elsewhere(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'LABEL = "Деньги под риском на конец дня"',
        'text = f"без ответа дольше цели: {n}"',
        'WORDS = {"number.messages": "Сообщения"}',
        'TITLES = {"messages": "Messages"}',
        'Metric("deals", "Сделки", "count")',
        'SHOWN = {"deals_won": ("deals_won", "money")}',
        'WAY = {"response_p50": "down"}',
        'LOWER_IS_BETTER = frozenset({"breached", "unanswered_now"})',
        'SHARE_OF = {"answered_within_target": "answered_within_target_n"}',
    ],
)
def test_what_is_written_elsewhere_is_found(code: str) -> None:
    assert list(said_elsewhere(ast.parse(code)))


@pytest.mark.parametrize("name", FILES)
def test_what_is_generated_is_what_the_registry_makes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert FILES[name](text) == text, "run: python -m synkro.metrics"


@pytest.mark.parametrize("name", [name for name in FILES if "marts" in name])
def test_a_description_written_by_hand_is_seen(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    spoiled = re.sub("description: '(Dialogs|Deals)", r"description: 'All \1", text, count=1)
    assert spoiled != text and FILES[name](spoiled) == text


def test_every_metric_is_whole() -> None:
    for table in TABLES.values():
        for metric in table.values():
            assert metric.ru.endswith(".") and metric.en.endswith("."), metric.column
            assert metric.label_ru.strip() and metric.label_en.strip(), metric.column
            assert not metric.denominator or table[metric.denominator].unit == "count", metric.column
            assert metric.unit != "share" or metric.denominator, "a share says what it is of"
            assert set(metric.answers) <= REPORTED.keys(), metric.column
            assert not metric.asked or metric.place is not None, "a question is answered from the report's numbers"


def test_two_metrics_of_a_table_are_never_called_alike() -> None:
    for table in TABLES.values():
        for language in ("ru", "en"):
            labels = [metric.label(language) for metric in table.values() if metric.is_number]
            assert sorted({one for one in labels if labels.count(one) > 1}) == []
    shown = [metric.short_label("ru") for metric in REPORTED.values()]
    assert len(set(shown)) == len(shown)
    places = [metric.asked_place for metric in REPORTED.values() if metric.asked]
    assert len(set(places)) == len(places), "which question is tried first is never left to chance"


def test_the_rules_of_showing() -> None:
    share, median, count, lost = (
        SUMMARY[key] for key in ("answered_within_target", "response_p50", "dialogs", "deals_lost")
    )
    assert [share.is_too_few(n) for n in (9, 10, None)] == [True, False, False]
    assert not median.is_too_few(1) and not count.is_too_few(0)
    assert [lost.is_good(way) for way in ("up", "down", "same")] == [False, True, None]
    assert count.is_good("up") is None and share.is_good("up") is True
    assert [count.digits(value) for value in (3, 3.0, 2.5)] == [0, 0, 1] and median.digits(2.5) == 0
    assert of_manager("answered_within_target") is MANAGERS["within_target"] and of_manager("match_rate") is None
    assert "messages" in NUMBERS and "label_date" not in NUMBERS


def test_the_oracle_knows_nothing_of_the_registry() -> None:
    oracle = list((ROOT / "tests" / "transforms" / "oracle").rglob("*.py"))
    assert len(oracle) > 5
    assert [path.name for path in oracle if "synkro.metrics" in path.read_text(encoding="utf-8")] == []
