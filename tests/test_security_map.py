"""``docs/security.md`` names every requirement once, and nothing that is not there: no test, no file, no line of the assurance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from synkro.core.settings import ROOT
from tests.assurance.lines import chosen

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
#: numbers of levels 1 and 2, by section
REQUIRED = {
    "V": """1.1.1-2 1.2.1-9 1.3.1-11 1.4.1-3 1.5.1-2 2.1.1-3 2.2.1-3 2.3.1-4 2.4.1-1 3.2.1-2 3.3.1-4 3.4.1-6 3.5.1-5 3.7.1-2 4.1.1-3
        4.2.1-1 4.3.1-2 4.4.1-4 5.1.1-1 5.2.1-3 5.3.1-2 5.4.1-3 6.1.1-3 6.2.1-12 6.3.1-4 6.4.1-4 6.5.1-5 6.6.1-3 6.8.1-4 7.1.1-3
        7.2.1-4 7.3.1-2 7.4.1-5 7.5.1-2 7.6.1-2 8.1.1-2 8.2.1-3 8.3.1-1 8.4.1-1 9.1.1-3 9.2.1-4 10.1.1-2 10.2.1-2 10.3.1-4 10.4.1-11
        10.5.1-5 10.6.1-2 10.7.1-3 11.1.1-2 11.2.1-3 11.3.1-3 11.4.1-4 11.5.1-1 11.6.1-1 12.1.1-3 12.2.1-2 12.3.1-4 13.1.1-1 13.2.1-5
        13.3.1-2 13.4.1-5 14.1.1-2 14.2.1-4 14.3.1-3 15.1.1-3 15.2.1-3 15.3.1-7 16.1.1-1 16.2.1-5 16.3.1-4 16.4.1-3 16.5.1-3 17.1.1-1
        17.2.1-4 17.3.1-2""",
    "C": """1.1.1-4 1.2.1-3 1.3.1-4 2.1.1-7 2.2.1-3 3.1.1-3 3.2.1-2 3.3.1-3 3.4.1-2 3.5.1-1 4.1.1-2 4.2.1-1 4.3.1-2 5.2.1-5 5.3.1-1
        6.1.1-4 6.2.1-3 7.1.1-2 7.2.1-2 7.3.1-3 7.4.1-3 8.1.1-3 8.2.1-3 8.3.1-2 9.1.1-3 9.2.1-7 9.3.1-7 9.4.1-2 9.5.1-5 9.6.1-2
        10.1.1-3 10.2.1-7 10.3.1-4 10.4.1-7 11.1.1-4 11.2.1-4 11.3.1-2 11.4.1-2 12.1.1-4 12.2.1-5 12.3.1-3 12.4.1-3 12.5.1-4""",
}
#: as the table of counts calls them
COUNTED = {"ASVS": "V", "AISVS": "C"}
STATES = ("yes", "by reading", "partly", "no", "n/a")
_ID = r"[VC]\d+\.\d+\.\d+"
_STATE = re.compile(r"(?P<kind>yes, by reading|yes|n/a|(?:partly|no)(?=: \S))(?:: .+)?")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_PATH = re.compile(
    r"`((?:[\w.-]+/)*[\w-]*\.?[\w-]+\.(?:py|sql|toml|yaml|yml|md|js|json|pem|lock)|(?:deploy/)?[A-Z]\w+file)`"
)


@dataclass(frozen=True)
class Row:
    ids: list[str]
    shown_by: str
    state: str

    @property
    def kind(self) -> str:
        match = _STATE.fullmatch(self.state)
        return match["kind"].removeprefix("yes, ") if match else ""


def rows(text: str) -> list[Row]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return [Row(one[0].split(), one[3], one[4]) for one in cells if re.fullmatch(rf"{_ID}( {_ID})*", one[0])]


def required(letter: str) -> list[str]:
    found = []
    for part in REQUIRED[letter].split():
        section, first, last = re.fullmatch(r"(\d+\.\d+)\.(\d+)-(\d+)", part).groups()  # type: ignore[union-attr]
        found += [f"{letter}{section}.{number}" for number in range(int(first), int(last) + 1)]
    return found


def problems(text: str) -> Iterator[str]:
    """What is wrong with the map, a sentence each."""
    told = rows(text)
    times = Counter(one for row in told for one in row.ids)
    wanted = {one for letter in REQUIRED for one in required(letter)}
    yield from (f"{one} stands {number} times" for one, number in times.items() if number != 1)
    yield from (f"{one} is not there" for one in wanted - set(times))
    yield from (f"{one} is of no level 1 or 2" for one in set(times) - wanted)
    for row in told:
        if row.kind not in STATES:
            yield f"{row.ids[0]}: what is missing? {row.state}"
        if (row.kind == "yes") > bool(_TEST.search(row.shown_by)):
            yield f"{row.ids[0]}: no test shows it"
        if row.kind in ("by reading", "n/a") and row.shown_by != "–":
            yield f"{row.ids[0]}: a test shows it, or does not"
    for name, letter in COUNTED.items():
        kinds = Counter({row.kind: 0 for row in told})
        for row in told:
            kinds[row.kind] += sum(one.startswith(letter) for one in row.ids)
        line = f"| {name} | {len(required(letter))} | " + " | ".join(str(kinds[state]) for state in STATES) + " |"
        if line not in text:
            yield f"the counts are {line}"
    for path, name in set(_TEST.findall(text)):
        file = ROOT / path
        if not file.exists() or not re.search(rf"^ *(?:async )?def {name}\(", file.read_text(encoding="utf-8"), re.M):
            yield f"{path}::{name} is not there"
    yield from (f"{path} is not there" for path in set(_PATH.findall(text)) if not (ROOT / path).exists())
    yield from (f"no line of {area}" for area in set(re.findall(r"ONLY=(\w+)", text)) if not list(chosen(area)))


def test_the_map_is_true() -> None:
    assert list(problems(TEXT)) == []


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("| V1.1.1 |", "| V1.1.2 |", "V1.1.2 stands 2 times"),
        ("| V9.2.4 |", "| V9.2.5 |", "V9.2.5 is of no level 1 or 2"),
        ("::test_handshakes`", "::test_handshake`", "tests/app/test_middleware.py::test_handshake is not there"),
        ("`app/middleware.py`", "`app/guards.py`", "app/guards.py is not there"),
        ("`Dockerfile`", "`Containerfile`", "Containerfile is not there"),
        ("| partly: HMAC-SHA-1 of RFC 6238 |", "| partly |", "V11.4.1: what is missing? partly"),
        ("| no: nothing is signed |", "| yes |", "C3.1.2: no test shows it"),
        ("ONLY=web", "ONLY=webs", "no line of webs"),
    ],
)
def test_a_map_that_is_wrong_is_told(was: str, becomes: str, said: str) -> None:
    assert was in TEXT
    assert said in set(problems(TEXT.replace(was, becomes)))
