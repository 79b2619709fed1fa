"""The work of managers by the company's rubric: shares of points, how many dialogs stand behind each, the weakest quotes.

A score is 0, 1 or 2 for one criterion of one dialog, shown by a message of the manager. Shares of fewer than ten dialogs
are left out, and managers with fewer are in the order of the alphabet: chance would rank them. Of the whole rubric there is a
share only when every criterion has a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.reading.models import Score
from analysis.reading.normalisation import shown
from analysis.report.claims import Claims
from analysis.report.context import DialogReading
from synkro.core import russian
from synkro.metrics.metric import SMALL_N
from synkro.tenancy.rubric import Criterion

_QUOTES_SHOWN = 3
_LITTLE = "мало данных"


@dataclass(frozen=True)
class _Scored:
    criterion: Criterion
    score: Score
    dialog_id: str
    manager: str


def quality(readings: Sequence[DialogReading], rubric: Sequence[Criterion], claims: Claims) -> dict[str, Any] | None:
    """``{"share", "display", "dialogs", "criteria", "managers"}``, or None when nothing was scored.

    ``share`` is 0..1, weighted by the rubric. ``criteria``: ``{"name", "weight", "n", "share", "display", "claims"}`` in the
    rubric's order; ``managers``: the same without a weight, those with enough dialogs first, the weakest first.
    """
    by_name = {criterion.name: criterion for criterion in rubric}
    scored = [
        _Scored(by_name[score.name], score, found.dialog.dialog_id, score.author or found.dialog.manager_name or "")
        for found in readings
        for score in found.reading.quality
        if score.name in by_name
    ]
    if not scored:
        return None
    criteria = []
    for criterion in rubric:
        of_it = [one for one in scored if one.criterion is criterion]
        if of_it:
            criteria.append({"name": criterion.name, "weight": criterion.weight, **_row(of_it, len(of_it), claims)})
    dialogs = len({one.dialog_id for one in scored})
    return {
        **_whole(scored, rubric, dialogs),
        "dialogs": dialogs,
        "criteria": criteria,
        "managers": _managers(scored, rubric, claims),
    }


def _whole(scored: Sequence[_Scored], rubric: Sequence[Criterion], n: int) -> dict[str, Any]:
    """The share of the whole rubric: while a criterion has no score, only how many have one."""
    names = {one.criterion.name for one in scored}
    share = _share(scored) if n >= SMALL_N and len(names) == len(rubric) else None
    return {
        "share": share,
        "display": _display(share) if len(names) == len(rubric) else coverage(len(names), len(rubric)),
        "scored": len(names),
        "of_criteria": len(rubric),
    }


def coverage(scored: int, of: int) -> str:
    """«оценён 1 из 5 критериев»."""
    return f"{russian.plural(scored, 'оценён', 'оценены', 'оценено')} {scored} из {of} критериев"


def _managers(scored: Sequence[_Scored], rubric: Sequence[Criterion], claims: Claims) -> list[dict[str, Any]]:
    rows = []
    for name in sorted({one.manager for one in scored if one.manager}):
        of_them = [one for one in scored if one.manager == name]
        n = len({one.dialog_id for one in of_them})
        rows.append({"name": shown(name, 80), **_row(of_them, n, claims), **_whole(of_them, rubric, n)})
    return sorted(rows, key=lambda row: (row["share"] is None, row["share"] or 0.0, row["name"]))


def _row(scored: Sequence[_Scored], n: int, claims: Claims) -> dict[str, Any]:
    share = _share(scored) if n >= SMALL_N else None
    weak = sorted((one for one in scored if one.score.score < 2), key=lambda one: (one.score.score, one.dialog_id))
    return {
        "n": n,
        "share": share,
        "display": _display(share),
        "claims": [
            claims.add(
                "quality",
                f"{one.criterion.name}: {one.score.score} из 2",
                one.dialog_id,
                one.score.message_ids,
                one.score.quote,
            )
            for one in weak[:_QUOTES_SHOWN]
        ],
    }


def _share(scored: Sequence[_Scored]) -> float:
    """The weighted mean of the criteria's shares, so that a criterion scored rarely weighs as the rubric says."""
    earned = possible = 0.0
    for criterion in {one.criterion.name: one.criterion for one in scored}.values():
        points = [one.score.score for one in scored if one.criterion.name == criterion.name]
        earned += criterion.weight * sum(points) / (2 * len(points))
        possible += criterion.weight
    return round(earned / possible, 4)


def _display(share: float | None) -> str:
    return _LITTLE if share is None else russian.percent(share)
