"""How far a walk by ``updated_at`` has come, as a second its next attempt may start at.

The walk asks for what was updated since the last row it saw, so all it has left behind is older than its second,
in every row's last version: a row edited later has a later ``updated_at`` and stands ahead of the walk, whenever
that walk goes on. Hence a resumed walk is as whole as an unbroken one, and the watermark may be the moment the *last*
attempt began. Two things could break that, and are met here:

- rows written late, with an ``updated_at`` already passed: the second is never later than the attempt's beginning
  minus the overlap, the same stretch every read repeats;
- an account that ignores filters, where the walk turns round and goes from the newest row down: there is no second
  then. So one page proves nothing (rows by id may happen to be in order), and the first request or page that is no
  part of an ascending walk withdraws the second for good.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ingestion.extract.context import OVERLAP, Session


class Walk:
    """``since`` to begin with; ``asks`` before each request and ``saw`` after each page was handed on; then ``second``
    for the next attempt."""

    def __init__(self, session: Session, second: int | None, read_from: datetime | None) -> None:
        """``second``: of the attempt to go on with; ``read_from``: where the walk begins without one."""
        self._latest = int((session.started_at - OVERLAP).timestamp())
        self._resumed = second
        self._read_from = read_from
        self._end = 0
        self._pages = 0
        self._in_order = True
        #: rows handed on so far
        self.rows = 0
        self._asked: Mapping[str, Any] = {}

    @property
    def since(self) -> datetime | None:
        return self._read_from if self._resumed is None else datetime.fromtimestamp(self._resumed, UTC)

    @property
    def second(self) -> int | None:
        if not self._in_order:
            return None
        return max(min(self._end, self._latest), self._resumed or 0) if self._pages > 1 else self._resumed

    def asks(self, params: Mapping[str, Any]) -> None:
        """The walk is about to make this request."""
        self._asked = params
        self._in_order &= params.get("order[updated_at]") != "desc"

    def saw(self, rows: list[Any]) -> None:
        """Rows of the last answer, as the vendor sent them."""
        self.rows += len(rows)
        times = [row["updated_at"] for row in rows if isinstance(row, dict) and type(row.get("updated_at")) is int]
        if times:
            lowest = max(self._end, self._asked.get("filter[updated_at][from]", 0))
            highest = self._asked.get("filter[updated_at][to]", times[-1])
            self._in_order &= times == sorted(times) and times[0] >= lowest and times[-1] <= highest
            self._end = max(self._end, times[-1])
            self._pages += 1
