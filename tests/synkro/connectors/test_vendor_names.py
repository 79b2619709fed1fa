"""A vendor is named in its own folders and in a short list of places, each with its reason; the list is checked both ways."""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from fnmatch import fnmatch

from ingestion.pipelines import READERS
from synkro.connectors import checks, registry
from synkro.core.settings import ROOT
from synkro.tenancy import runtime_config

#: pattern → why a vendor's name stands there
PLACES = {
    # a vendor's own
    "synkro/connectors/{name}/*": "declaration and check",
    "synkro/connectors/{name}_oauth.py": "tokens that are renewed",
    "ingestion/{name}/*": "reader",
    "sandbox/*": "the vendor, simulated",
    "supabase/migrations/*": "raw tables, checks of names",
    "transforms/models/*": "staging, and what is built of it",
    "transforms/macros/vendors.sql": "which connectors bring dialogs",
    "transforms/tests/fixtures/*": "settings of a company",
    # one line a vendor
    "synkro/connectors/registry.py": "the list of connectors",
    "synkro/connectors/checks.py": "binds the checks",
    "ingestion/pipelines.py": "binds the readers",
    "ingestion/load/tables.py": "the raw tables in dlt's words",
    "ingestion/extract/payload_types.py": "the types of the vendors' fields",
    "app/texts/*": "what the page says of a vendor",
    # SQL that reads a dictionary
    "orchestration/dbt/scope.py": "hashes of the dictionaries",
    "synkro/tenancy/pipelines.py": "the pipelines as they were read",
    # a setting and a metric named after a vendor; the names are a public contract
    "synkro/tenancy/runtime_config.py": "radist_fetch_limit",
    "services/settings/configuration.py": "radist_fetch_limit",
    "app/components/settings/runtime_form.py": "radist_fetch_limit",
    "orchestration/defs/assets/sources.py": "radist_fetch_limit",
    "orchestration/defs/delivery.py": "radist_fetch_limit",
    "ingestion/extract/context.py": "radist_fetch_limit",
    # the demonstration and the measurements connect to the sandbox
    "cli/commands/demo.py": "connects the sandbox",
    "cli/commands/sandbox.py": "prints the sandbox's addresses",
    "cli/commands/setup.py": "an example in a message",
    "bench/*": "measures with vendors",
}
#: not code that runs in the product
SKIPPED = ("tests/*", "docs/*", "*.md", "*.toml", "*.lock", "*.patch", "*.yml", "*.yaml", ".*")


def names() -> list[str]:
    return [name for name in registry.CONNECTORS if registry.CONNECTORS[name].api is not None]


def words_of(path: str, text: str) -> Iterator[str]:
    """Identifiers and strings of Python without docstrings and comments; the lines of everything else without comments."""
    if not path.endswith(".py"):
        yield from (re.sub(r"--.*|\{#.*?#\}", "", line) for line in re.sub(r"(?s)\{#.*?#\}", "", text).splitlines())
        return
    previous = tokenize.NEWLINE
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME or (
            token.type == tokenize.STRING and previous not in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
        ):
            yield token.string
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            previous = token.type


def allowed(path: str, name: str) -> list[str]:
    return [place for place in PLACES if fnmatch(path, place.replace("{name}", name))]


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    return [
        path for path in listed if not any(fnmatch(path, skipped) for skipped in SKIPPED) and (ROOT / path).is_file()
    ]


def test_a_vendor_is_named_in_its_places_only() -> None:
    met: dict[str, set[str]] = {}
    for path in files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        words = list(words_of(path, text)) if any(name in text for name in names()) else []
        for name in names():
            if any(name in word for word in words):
                met.setdefault(path, set()).add(name)
    strays = {path: sorted(found) for path, found in met.items() if any(not allowed(path, name) for name in found)}
    assert strays == {}
    used = {place for path, found in met.items() for name in found for place in allowed(path, name)}
    unused = set(PLACES) - used
    assert unused == set(), "a place that names no vendor any more"


def test_every_connector_is_bound() -> None:
    assert set(READERS) == set(registry.CONNECTORS)
    assert set(registry.CONNECTORS) <= set(checks.CHECKS)


def test_a_mode_takes_one_source_of_deals_and_one_of_dialogs_at_most() -> None:
    modes = registry.modes()
    assert (
        tuple(modes) == runtime_config.MODES
        and runtime_config.RuntimeConfig("UTC").sources == modes[runtime_config.MODES[0]]
    )
    for mode, sources in modes.items():
        brought = [one for name in sources for one in registry.get(name).capabilities]
        assert len(brought) == len(set(brought)), mode
        assert set(sources) <= set(registry.CONNECTORS)
