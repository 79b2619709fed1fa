"""The bench of mistakes: what it changes, that the same seed draws the same, and which tests it takes first."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.mutation import Tests, drawn
from bench.support.mutation_operators import compiles, of_python, of_sql
from synkro.core.settings import ROOT


def made(source: str, kind: str) -> set[str]:
    return {change.applied(source) for change in of_python(source) if change.kind == kind}


@pytest.mark.parametrize(
    ("kind", "source", "mistakes"),
    [
        ("boundary", "a = 'ёж' if b < c <= d else e", {"a = 'ёж' if b <= c <= d else e", "a = 'ёж' if b < c < d else e"}),
        ("comparison", "a = b not in c", {"a = b in c"}),
        ("and/or", "a = b and c", {"a = b or c"}),
        ("condition removed", "a = b and c", {"a = True and c", "a = b and True"}),
        ("not removed", "a = not (b or c)", {"a = (b or c)"}),
        ("sign", "f(key=lambda x: -x.n)", {"f(key=lambda x: x.n)"}),
        ("sort key", "f(key=lambda x: (x.a, x.b))", {"f(key=lambda x: (0, x.b))", "f(key=lambda x: (x.a, 0))"}),
        ("limit", "a = b[:n]", {"a = b[:(n) + 1]", "a = b"}),
        ("constant", "a = 3", {"a = 4", "a = 2"}),
        ("filter removed", "a = [b for b in c if d]", {"a = [b for b in c if True]"}),
        ("swapped branches", "a = b if c else d", {"a = d if c else b"}),
        ("swapped arguments", "f(a, b)", {"f(b, a)"}),
        ("argument removed", "f(a, b=c)", {"f(a, )"}),
        ("statement removed", "for a in b:\n    f(a)", {"for a in b:\n    pass"}),
        ("min/max", "a = min(b)", {"a = max(b)"}),
        ("wording", "a = 'ждёт ответа дольше'", {"a = 'ждёт дольше'", "a = 'ждёт ответа'"}),
        ("sql: order", 'q = "select a from b.c order by a limit 3"', {'q = "select a from b.c limit 3"'}),
        ("sql: limit", 'q = "select a from b.c order by a limit 3"', {'q = "select a from b.c order by a"'}),
        ("sql: lock removed", 'q = "select a from b.c where d = 1 for update"', {'q = "select a from b.c where d = 1"'}),
        ("sql: filter removed", 'q = "select a from b.c where d = %s and e = \'x\'"', {'q = "select a from b.c where d = %s"'}),
        ("swapped arguments", "log.info(a, b)", set()),
    ],
)  # fmt: skip
def test_mistakes(kind: str, source: str, mistakes: set[str]) -> None:
    found = made(source, kind)
    assert found == mistakes and all(compiles(text) for text in found)


def test_what_nobody_can_see_is_left_alone() -> None:
    assert (
        of_python('"""Слово и ещё слово 3."""\n\n__all__ = ["a"]\nlog.warning("a", 3)\nassert b < 3\nx: Literal[3]\n')
        == []
    )


def test_comments_and_blocks_of_a_model_are_left_alone() -> None:
    source = "-- a and b order by c\n{% if a and b %}select max(a) from b{# and c #}"
    assert [change.applied(source) for change in of_sql(source)] == [source.replace("max", "min")]


def test_a_seed_draws_the_same_and_a_larger_sample_begins_with_the_smaller() -> None:
    few, more, other = (drawn(ROOT, ["delivery"], *how) for how in ((5, 1), (9, 1), (5, 2)))
    assert few == more[:5] != other
    assert all((ROOT / one.path).read_text(encoding="utf-8") != one.applied(ROOT) for one in more)


def test_the_tests_of_the_package_come_first_and_the_nearest_of_them() -> None:
    near = Tests(ROOT).near("analysis/report/headline.py")
    packages = [Path(name).parts[1] for name in near]
    own = packages.count("analysis")
    assert packages[:own] == ["analysis"] * own and "tests/analysis/report/test_headline.py" in near[:4]
    assert near.index("tests/analysis/report/test_headline.py") < near.index("tests/analysis/llm/test_masking.py")
    assert Tests(ROOT).near("transforms/models/marts/fct_waits.sql")[0].startswith("tests/transforms/")
