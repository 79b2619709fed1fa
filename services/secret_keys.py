"""Rotation of the keys that seal secrets: by the machine's operator alone, whose environment holds the keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services import access
from services.machine import Operator
from synkro.connectors import integrations
from synkro.runs import heartbeats


@dataclass(frozen=True)
class Rotated:
    """What became of a rotation: the old key may go when nothing is left to it."""

    changed: int
    #: (company or id, kind, field, why) of what still needs the old key
    left: tuple[tuple[str, str, str, str], ...]
    #: processes that work with the old key
    older: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        return not self.left and not self.older


def rotate(who: Operator, progress: Callable[[int, int], None]) -> Rotated:
    """Seal every secret with the first key; safe to stop and run again. Audited as ``secrets.rotated``."""
    access.check_machine(who)
    done = integrations.rotate(progress)
    slugs = {tenant.tenant_id: tenant.slug for tenant in access.visible(who)}
    with access.transaction(who) as connection:
        metadata = {"changed": done.changed, "left": len(done.left)}
        access.note(connection, who, "secrets.rotated", metadata=metadata)
        older = heartbeats.with_older_keys(connection)
    left = tuple((slugs.get(owner, str(owner)), kind, field, why) for owner, kind, field, why in done.left)
    return Rotated(done.changed, left, tuple(older))
