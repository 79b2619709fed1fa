"""``python -m tests.policies``: pgrls over the migrated and built database: its rules, and what Z3 proves of every policy.

Five threats, each to end without a leak: nobody signed in, another tenant reading, another tenant writing, a role that
reaches a table's owner, a view that hands on what a policy withholds. Whether a person is of a tenant is asked of a function
(``synkro.my_tenants()``), which no prover looks into: those policies end as UNVERIFIED, are counted, and are tried by rows in
``tests/synkro/database/test_role_matrix.py``. Rules that do not hold here: ``pgrls.toml``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from synkro.core.settings import ROOT
from tests.support import cluster

#: ours, and what Supabase keeps of people
SCHEMAS = "synkro,private,raw_amocrm,raw_radist,raw_whatsapp,staging,intermediate,marts,api,auth"
THREATS = ("anon", "cross-tenant", "write", "escalation", "reachability")
ASKED = ("synkro.my_tenants", "synkro.my_admin_tenants", "synkro.is_super_admin")
_PGRLS = (str(Path(sys.executable).with_name("pgrls")),)
_COUNTS = re.compile(
    r"(?P<tables>\d+) RLS tables: (?P<proven>\d+) proven isolated, (?P<leaks>\d+) leaking, (?P<open>\d+) unverified"
)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="synkro-policies-") as folder:
        server = cluster.start(Path(folder), None)
        try:
            return check(server.url(cluster.TEMPLATE))
        finally:
            server.destroy()


def check(url: str) -> int:
    """Prints a line a threat; 1 when a rule is broken or a policy leaks."""
    worst = 0
    for threat in THREATS:
        asked = [word for name in ASKED for word in ("--auth-function", name)]
        code, said = _pgrls("verify", "--schemas", SCHEMAS, "--mode", threat, *asked, url=url)
        found = _COUNTS.search(said)
        told = (
            "{proven} of {tables} proven, {leaks} leaking, {open} asked of rows".format(**found.groupdict())
            if found
            else _last(said)
        )
        print(f"{'ok' if code == 0 else 'FAILED':7}{threat:14}{told}")
        if code:
            print("\n".join(line for line in said.splitlines() if "LEAK" in line) or said)
        worst |= code != 0
    code, said = _pgrls("lint", "--schemas", SCHEMAS, "--min-severity", "warning", "--fail-on", "warning", url=url)
    print(f"{'ok' if code == 0 else 'FAILED':7}{'rules':14}{_last(said)}")
    if code:
        print(said)
    return int(worst or code != 0)


def _last(said: str) -> str:
    """What pgrls comes to; below it stands that it does not read the body of a function in PL/pgSQL."""
    return next(line for line in reversed(said.splitlines()) if line.strip() and "warning: VIEW004" not in line)


def _pgrls(*arguments: str, url: str) -> tuple[int, str]:
    done = subprocess.run(
        [*_PGRLS, *arguments, "--config", str(ROOT / "pgrls.toml"), "--database-url", url],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
