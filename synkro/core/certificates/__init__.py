"""Supabase's own roots, which no system knows: without them an encrypted connection does not tell whom it leads to.

``supabase.pem`` holds both roots of hosted projects, of 2021 (until 2031) and of 2025 (until 2035), as Supabase's command line
(npm ``supabase`` 3.1.0) carries them. The dashboard offers the same file: Database → Settings → SSL Configuration.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

ROOTS = Path(__file__).with_name("supabase.pem")
HOSTS = (".supabase.co", ".supabase.com")
_VERIFYING = ("verify-ca", "verify-full")


def with_roots(url: str) -> str:
    """The address of a hosted project that asks for a verified server and names no file of roots: with ours."""
    try:
        if not (urlsplit(url).hostname or "").endswith(HOSTS):
            return url
        asked = conninfo_to_dict(url)
    except (ValueError, psycopg.Error):
        # whoever opens the address says what is wrong with it
        return url
    if asked.get("sslmode") not in _VERIFYING or asked.get("sslrootcert"):
        return url
    return f"{url}{'&' if '?' in url else '?'}sslrootcert={quote(str(ROOTS), safe='/')}"
