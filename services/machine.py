"""The operator of this machine: who runs a command where the address of the database's owner is known.

Nobody signs in at a command line. The owner's address opens the whole database already, so this actor may do what an
operator may; each use case still checks what it is told and writes its line of the audit log. Only ``cli`` makes one:
import-linter refuses this module to the app and to delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings

COMMAND_LINE = "operator (command line)"


@dataclass(frozen=True)
class Operator:
    """An actor without an account: the audit log has a name, no id and no address."""

    name: str = COMMAND_LINE
    user_id: None = None
    ip_address: None = None
    is_operator: bool = True


def operator(name: str = COMMAND_LINE) -> Operator:
    """Raises :class:`ConfigurationError` in a process that has the app's address of the database and not the owner's."""
    env = settings()
    if env.app_database_url is not None and env.database_url is None:
        raise ConfigurationError(
            "Этой команде нужен адрес базы для её владельца: задайте SYNKRO_DATABASE_URL там, где её выполняете."
        )
    return Operator(name)
