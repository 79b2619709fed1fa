"""Every connector there is. A new vendor is a line here, a folder beside this file and one in ``ingestion``."""

from __future__ import annotations

from synkro.connectors.amocrm.declaration import AMOCRM
from synkro.connectors.connector import Api, Capability, Connector
from synkro.connectors.radist.declaration import RADIST
from synkro.connectors.whatsapp.declaration import WHATSAPP

#: in the order people see them
CONNECTORS: dict[str, Connector] = {connector.name: connector for connector in (AMOCRM, RADIST, WHATSAPP)}


def get(name: str) -> Connector:
    """The connector of this name; ``KeyError`` for another kind of integration."""
    return CONNECTORS[name]


def api_of(name: str) -> Api:
    """How the vendor is asked; ``KeyError`` for one that is not."""
    api = CONNECTORS[name].api
    if api is None:
        raise KeyError(name)
    return api


def apis() -> dict[str, Api]:
    """The vendors that are asked over HTTP."""
    return {name: one.api for name, one in CONNECTORS.items() if one.api is not None}


def label(name: str, language: str = "ru") -> str:
    """The source's name for people; a name nobody declared stays as it is."""
    found = CONNECTORS.get(name)
    return found.labels[language] if found else name


def name_in_report(name: str) -> str:
    found = CONNECTORS.get(name)
    return (found.name_in_report or found.label) if found else name


def able(capability: Capability) -> tuple[str, ...]:
    """Names of the connectors that bring this."""
    return tuple(name for name, one in CONNECTORS.items() if capability in one.capabilities)


def brings(name: str, what: str) -> bool:
    """Whether a source brings this: the value of a :class:`Capability`."""
    return name in CONNECTORS and what in CONNECTORS[name].capabilities


def modes() -> dict[str, tuple[str, ...]]:
    """Mode → the connectors it reads: deals with dialogs, dialogs alone, deals alone. The first is the usual one."""
    deals, dialogs = able(Capability.DEALS), able(Capability.DIALOGS)
    return {
        **{f"{crm}_{chats}": (crm, chats) for crm in deals for chats in dialogs},
        **{f"{name}_only": (name,) for name in (*dialogs, *deals)},
    }
