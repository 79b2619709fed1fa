"""A deal's page at the CRM: the account's own host over https, or nothing."""

from __future__ import annotations

from typing import Any

import pytest

from synkro.connectors import deal_pages

PAGES = "https://shop.amocrm.ru/leads/detail/"


@pytest.mark.parametrize(
    ("public", "prefix"),
    [
        ({"subdomain": "shop"}, PAGES),
        ({"subdomain": "shop", "zone": "kommo.com"}, "https://shop.kommo.com/leads/detail/"),
        # not an account of the vendor's
        ({"subdomain": "shop", "zone": "example.com"}, ""),
        ({"subdomain": "evil.example/x#"}, ""),
        ({"subdomain": "xn--shop-abc"}, ""),
        ({}, ""),
        # a sandbox has no such page
        ({"subdomain": "shop", "base_url": "http://127.0.0.1:9001"}, ""),
        ({"subdomain": ["shop"]}, ""),
    ],
)
def test_the_host_is_the_integrations_own(public: dict[str, Any], prefix: str) -> None:
    assert deal_pages.of_account("amocrm", public) == prefix


def test_who_brings_no_deals_has_no_page() -> None:
    assert deal_pages.of_account("radist", {"host": "radist.online"}) == ""


@pytest.mark.parametrize(
    ("pages", "deal", "address"),
    [
        (PAGES, "17", PAGES + "17"),
        (PAGES, 17, PAGES + "17"),
        (PAGES, None, None),
        (PAGES, "", None),
        (PAGES, "17?x=1", None),
        (PAGES, "../17", None),
        (PAGES, "\u0661\u0667", None),
        ("http://shop.amocrm.ru/leads/detail/", "17", None),
        ("javascript:alert(1)//", "17", None),
        ("//shop.amocrm.ru/", "17", None),
        ("https://shop.amocrm.ru/?to=", "17", None),
        ("https://[/", "17", None),
        ("", "17", None),
    ],
)
def test_an_address_is_https_and_a_number(pages: str, deal: object, address: str | None) -> None:
    assert deal_pages.address(pages, deal) == address
