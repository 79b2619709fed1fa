"""The vendor's own clock, from the ``Date`` header of its first answer.

Marks are moments of the vendor's clock. With ours two hours ahead, a mark of ours would lie in the vendor's
future and hide what is written until then.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from synkro.http import VendorAuth


class Clocked(VendorAuth):
    """Another auth, with an eye on the answers."""

    def __init__(self, inner: VendorAuth) -> None:
        super().__init__("")
        self._inner = inner
        #: aware UTC, of the first answer; a gateway with a clock of its own adds a second one
        self.told: list[datetime] = []

    def refresh(self) -> bool:
        return self._inner.refresh()

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield next(self._inner.auth_flow(request))
        if not self.told:
            for text in response.headers.get_list("date"):
                with suppress(TypeError, ValueError):
                    self.told.append(parsedate_to_datetime(text).astimezone(UTC))
