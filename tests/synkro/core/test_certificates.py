"""Supabase's roots: which addresses get them, and that they are the ones Supabase names."""

from __future__ import annotations

import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cli.commands import doctor
from orchestration.process.instance import storage_url
from synkro.core import certificates
from synkro.core.settings import settings
from synkro.database import addresses, db

POOLER = "postgresql://postgres.abcdefgh:p@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
DIRECT = "postgresql://postgres:p@db.abcdefghijklmnopqrst.supabase.co:5432/postgres"
#: SHA-256 of the two roots
PRINTS = {
    "807025ad50d4ed219d2c9c7d299c004f824eb00cf7f65afef607d07b72e6cafa": 2031,
    "5f9b77951a7aa1303f9b58eea9bfa89e358cfdc15f9786ff10d4930a722c9ae2": 2035,
}


def test_the_roots_are_supabases() -> None:
    found = x509.load_pem_x509_certificates(certificates.ROOTS.read_bytes())
    told = {hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest(): one.not_valid_after_utc.year for one in found}
    assert told == PRINTS
    assert all("Supabase Inc" in one.subject.rfc4514_string() and one.subject == one.issuer for one in found)


@pytest.mark.parametrize("url", [f"{POOLER}?sslmode=verify-full", f"{DIRECT}?application_name=x&sslmode=verify-ca"])
def test_a_hosted_project_that_is_to_be_verified_gets_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = f"{url}&sslrootcert={certificates.ROOTS}"
    assert certificates.with_roots(url) == expected
    monkeypatch.setenv("SYNKRO_DATABASE_URL", url)
    monkeypatch.setenv("SYNKRO_APP_DATABASE_URL", url)
    monkeypatch.setenv("SYNKRO_DAGSTER_DATABASE_URL", url)
    settings.cache_clear()
    judged = {}
    monkeypatch.setattr(addresses, "judge", lambda variable, asked, **_: judged.setdefault(variable, asked))
    try:
        assert db.owner_url() == db.app_url() == expected
        assert storage_url() == expected.replace("postgresql", "postgresql+psycopg2")
        doctor._addresses()
        assert set(judged.values()) == {expected} and len(judged) == 3, "what is judged is what is opened"
    finally:
        monkeypatch.undo()
        settings.cache_clear()


@pytest.mark.parametrize(
    "url",
    [
        POOLER,
        f"{POOLER}?sslmode=require",
        f"{POOLER}?sslmode=verify-full&sslrootcert=/own.pem",
        "postgresql://a:p@db.example.com/x?sslmode=verify-full",
        "postgresql://a:p@evilsupabase.co/x?sslmode=verify-full",
        f"{POOLER}?sslmode",
        "postgresql://[broken/x",
    ],
)
def test_other_addresses_stay_as_they_are(url: str) -> None:
    assert certificates.with_roots(url) == url
