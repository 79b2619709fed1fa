"""Addresses people type, and addresses an attacker would."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from synkro.connectors import registry
from synkro.core.errors import ConfigurationError
from synkro.http import allowlist

amocrm_base_url = partial(allowlist.connector_base_url, "amocrm")
radist_base_url = partial(allowlist.connector_base_url, "radist")

HOSTILE_SUBDOMAINS = [
    "evil.com/", "evil.com#", "evil.com?", "evil.com\\", "evil.com:443", "a.b", ".", "..", "a.", ".a", "-a", "a-", "-",
    "ACME", "Acme", "аcme", "acmе", "пример", "xn--80ak6aa92e", "a_b", "a b", " a", "a ", "a\n", "a\r\nHost: evil", "a\t",
    "a%00", "a\x00", "a%2e", "a@b", "user:pw@a", "a" * 64, "https://acme.amocrm.ru", "//evil.com", "acme.amocrm.ru",
    "127.0.0.1", "[::1]", "0x7f.1", "2130706433/", "a。b", "a．b", "ａcme", "a/../b", "a;b", "a&b", "'", '"', "<a>", "\u200bacme",
]  # fmt: skip

HOSTILE_URLS = [
    "http://api.openai.com/v1", "https://api.openai.com.evil.com/v1", "https://evilapi.openai.com/v1",
    "https://evil.com/api.openai.com", "https://api.openai.com@evil.com/v1", "https://user:pw@api.openai.com/v1",
    "https://api.openai.com:8443/v1", "https://api.openai.com:443/v1", "https://api.openai.com./v1",
    "https://evil.com\\.openai.com/v1", "https://api.openai.com\\@evil.com/v1", "https://api.openai.com#@evil.com/",
    "https://api.openai.com?@evil.com", "https://API.OPENAI.COM/v1", "HTTPS://api.openai.com/v1", "//api.openai.com/v1",
    "https:/api.openai.com/v1", "https:///api.openai.com/v1", "file:///etc/passwd", "gopher://127.0.0.1:70/",
    "ftp://api.openai.com/", "javascript:alert(1)", "data:text/plain,x", "https://127.0.0.1:0/v1", "https://[::1]x/v1",
    "https://[::ffff:127.0.0.1]/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/",
    "https://169.254.169.254/latest", "https://10.0.0.1/", "https://localhost:0/", "https://api.openai.com/v1\r\nHost: evil",
    "https://api.openai.com/v1\n", "https://api.openai.com/%00", "https://api.openai.com%00.evil.com/",
    "https://api.openai.com/v1/../../x", "https://api.openai.com/v1/%2e%2e/", "https://арi.openai.com/v1",
    "https://xn--80ak6aa92e.com/", "https://api。openai。com/", " https://api.openai.com/v1", "https://api.openai.com/v1 ",
    "https://api.openai.com/" + "a/" * 5000, "https://" + "a" * 300 + ".com/", "https://api.openai.com/v1?key=x",
    "https://api.openai.com/v1#x", "https://", "https://.", "http://127.0.0.1.evil.com/", "http://127.0.0.1@evil.com/",
    "http://localhost.evil.com/", "http://127.0.0.2/", "http://0.0.0.0/", "http://127.0.0.1:0/", "http://127.0.0.1:99999/",
    "http://127.0.0.1:80:80/", "http://127.0.0.1\\@evil.com/", "http://user@127.0.0.1/", "http://[::1%25lo]/",
    "http://[0:0:0:0:0:0:0:1]/", "http://localhost./", "http://LOCALHOST/",
]  # fmt: skip


@pytest.mark.parametrize("subdomain", HOSTILE_SUBDOMAINS)
@pytest.mark.parametrize("allow_local", [False, True])
def test_a_hostile_subdomain_is_refused_by_name(subdomain: str, allow_local: bool) -> None:
    with pytest.raises(ConfigurationError, match="«subdomain»"):
        amocrm_base_url({"subdomain": subdomain, "zone": "amocrm.ru"}, allow_local)


@pytest.mark.parametrize(
    "zone", ["evil.com", "amocrm.ru.evil.com", ".amocrm.ru", "amocrm.ru/", "AMOCRM.RU", "amocrm.ru@evil.com"]
)
def test_a_hostile_zone_is_refused_by_name(zone: str) -> None:
    with pytest.raises(ConfigurationError, match="«zone»"):
        amocrm_base_url({"subdomain": "acme", "zone": zone}, False)


@pytest.mark.parametrize("url", HOSTILE_URLS)
@pytest.mark.parametrize("allow_local", [False, True])
def test_a_hostile_url_is_refused_everywhere(url: str, allow_local: bool) -> None:
    for build in (amocrm_base_url, radist_base_url, allowlist.telegram_base_url, allowlist.ai_base_url):
        with pytest.raises(ConfigurationError, match="«base_url»"):
            build({"subdomain": "acme", "host": "api.radist.online", "base_url": url}, allow_local)
    with pytest.raises(ConfigurationError, match="«url»"):
        allowlist.supabase_url({"url": url}, allow_local)
    for vendor in ("amocrm", "radist", "telegram"):
        with pytest.raises(ConfigurationError):
            allowlist.check_base_url(vendor, url, allow_local)


@pytest.mark.parametrize("host", ["evil.com", "api.radist.online.evil.com", "API.radist.online", "api.radist.online/", "x@api.radist.online", "127.0.0.1"])  # fmt: skip
def test_a_hostile_radist_host_is_refused_by_name(host: str) -> None:
    with pytest.raises(ConfigurationError, match="«host»"):
        radist_base_url({"host": host}, True)


@pytest.mark.parametrize(
    "url",
    ["https://evil.com", "https://abcdefghijklmnopqrst.supabase.co.evil.com", "https://supabase.co", "https://a.supabase.co",
     "http://abcdefghijklmnopqrst.supabase.co", "https://abcdefghijklmnopqrst.supabase.co/x", "https://x@abcdefghijklmnopqrst.supabase.co",
     "https://abcdefghijklmnopqrst.supabase.co:443", "https://ABCDEFGHIJKLMNOPQRST.supabase.co", "https://abcdefghijklmnopqrst.supabase.co\n", ""],
)  # fmt: skip
def test_a_hostile_supabase_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="«url»"):
        allowlist.supabase_url({"url": url}, False)


def test_values_that_are_not_text_are_refused() -> None:
    values: list[Any] = [["acme"], 7, {"a": 1}, True]
    for value in values:
        with pytest.raises(ConfigurationError, match="«subdomain»"):
            amocrm_base_url({"subdomain": value}, False)


def test_an_empty_subdomain_asks_for_one() -> None:
    with pytest.raises(ConfigurationError, match="укажите поддомен"):
        amocrm_base_url({}, False)


def test_good_addresses_pass() -> None:
    for zone in registry.api_of("amocrm").hosts:
        assert amocrm_base_url({"subdomain": "my-company2", "zone": zone}, False) == f"https://my-company2.{zone}"
        allowlist.check_base_url("amocrm", f"https://my-company2.{zone}", False)
    assert amocrm_base_url({"subdomain": "a" * 63}, False) == f"https://{'a' * 63}.amocrm.ru"
    assert radist_base_url({}, False) == "https://api.radist.online/v2"
    assert radist_base_url({"host": "api-ru.radist.online"}, False) == "https://api-ru.radist.online/v2"
    assert allowlist.telegram_base_url({"chat_id": "1"}, False) == "https://api.telegram.org"
    assert allowlist.ai_base_url({}, False) == "https://api.openai.com/v1"
    google = "https://generativelanguage.googleapis.com/v1beta/openai"
    assert allowlist.ai_base_url({"base_url": google + "/"}, False) == google
    assert allowlist.ai_base_url({"base_url": "https://openrouter.ai/api/v1"}, False) == "https://openrouter.ai/api/v1"
    assert allowlist.supabase_url({"url": "https://abcdefghijklmnopqrst.supabase.co/"}, False).endswith("supabase.co")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9001", "http://localhost:9001", "http://[::1]:9001", "http://127.0.0.1"]
)
def test_the_sandbox_is_allowed_only_when_allowed(url: str) -> None:
    for build, tail in (
        (amocrm_base_url, ""), (radist_base_url, "/v2"), (allowlist.telegram_base_url, ""), (allowlist.ai_base_url, "/v1"),
    ):  # fmt: skip
        assert build({"base_url": url + tail + "/"}, True) == url + tail
        with pytest.raises(ConfigurationError, match="«base_url»"):
            build({"base_url": url + tail}, False)
    allowlist.check_base_url("amocrm", url, True)
    with pytest.raises(ConfigurationError):
        allowlist.check_base_url("amocrm", url, False)


def test_a_local_radist_must_end_in_its_version() -> None:
    with pytest.raises(ConfigurationError, match="/v2"):
        radist_base_url({"base_url": "http://127.0.0.1:9001"}, True)


def test_the_operator_can_allow_an_ai_host(monkeypatch: pytest.MonkeyPatch) -> None:
    from synkro.core.settings import settings

    monkeypatch.setenv("SYNKRO_AI_HOSTS", "llm.example.com, gpu.example.com:8443")
    settings.cache_clear()
    try:
        for url in ("https://llm.example.com/v1", "https://gpu.example.com:8443/v1"):
            assert allowlist.ai_base_url({"base_url": url}, False) == url
            allowlist.check_base_url("ai", url, False)
        for url in ("http://llm.example.com/v1", "https://x.llm.example.com/v1", "https://llm.example.com:8443/v1"):
            with pytest.raises(ConfigurationError):
                allowlist.ai_base_url({"base_url": url}, False)
    finally:
        settings.cache_clear()
