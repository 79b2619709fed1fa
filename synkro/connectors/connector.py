"""What a connector declares about itself. Plain data: no code of a vendor is imported here or by the declarations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Capability(StrEnum):
    """What a company gets from a connector; a mode takes one connector of each of the first two at most."""

    DEALS = "deals"
    DIALOGS = "dialogs"
    MANAGERS = "managers"


@dataclass(frozen=True)
class Field:
    """One public field of the connection."""

    name: str
    #: offered as a list instead of a text
    choices: tuple[str, ...] = ()
    #: says where the account is: another value may well be another account
    is_address: bool = False
    #: for local sandboxes: hidden where local vendors are not allowed
    is_local: bool = False
    #: the operator's business: not on the form, kept when the form is saved
    is_hidden: bool = False


@dataclass(frozen=True)
class Stream:
    """One list of the vendor, a raw table of the same name. ``label``: as people call it, in Russian."""

    name: str
    label: str
    #: the numbers stand on it: its contract is checked, and the data is complete no further than this stream
    is_required: bool = False


@dataclass(frozen=True)
class Api:
    """A vendor that is asked over HTTP: its hosts, its pace and what it lets us do."""

    #: whole host names, or the zones under which every account has a subdomain
    hosts: tuple[str, ...]
    #: the public field that chooses one of ``hosts``
    host_field: str
    #: the vendor answers the next request of the same second with 429
    requests_per_second: int
    #: the public field with the account's subdomain, for hosts that are zones
    subdomain_field: str = ""
    #: the path every address begins with
    path: str = ""
    #: the public field that names the account where the host does not; digits
    account_field: str = ""
    #: a narrower limit of the paths that list everything
    listings_per_second: int | None = None
    #: (method, path) of requests that are not GET and change nothing there
    harmless_requests: frozenset[tuple[str, str]] = frozenset()
    #: a 403 means that the whole account is blocked, not only this path
    is_blocked_by_403: bool = False
    #: what a person does about a 401 and about a 403; empty: the usual words
    on_unauthorized: str = ""
    on_forbidden: str = ""


@dataclass(frozen=True)
class Connector:
    """One vendor. Its check is bound in ``synkro/connectors/checks.py``, its reader in ``ingestion/pipelines.py``."""

    #: the kind of its integration, the source of its rows, the suffix of ``raw_…``
    name: str
    #: language → its name for people
    labels: Mapping[str, str]
    capabilities: frozenset[Capability]
    #: in the order they are read
    streams: tuple[Stream, ...]
    #: None: nothing is asked, people bring the data
    api: Api | None
    fields: tuple[Field, ...] = ()
    secrets: tuple[str, ...] = ()
    #: as a report calls it; empty: as everywhere else
    name_in_report: str = ""
    #: what a good check learns and the next one must find again
    bound_to: str = ""
    #: path of a deal's own page at the vendor, up to its number; empty: it has none
    deal_path: str = ""

    @property
    def label(self) -> str:
        return self.labels["ru"]

    @property
    def required_streams(self) -> tuple[str, ...]:
        return tuple(stream.name for stream in self.streams if stream.is_required)
