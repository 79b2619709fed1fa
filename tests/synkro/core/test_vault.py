"""A sealed secret opens in its own row, under a key we have, and nowhere else."""

from __future__ import annotations

import base64
import itertools
import random
import traceback
from typing import Any

import pytest
from cryptography.fernet import Fernet

from synkro.core import vault
from synkro.core.errors import ConfigurationError
from synkro.core.vault import Vault, VaultError, generate_key

SECRET = "canary-secret-Ёж-5f3a9c"
ROW: dict[str, Any] = {"tenant_id": "11111111-1111-1111-1111-111111111111", "kind": "amocrm", "field": "access_token"}


def refused(error: VaultError, ciphertext: str) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    assert SECRET not in shown and "canary" not in shown
    assert not ciphertext or ciphertext not in shown


@pytest.mark.parametrize("plaintext", [SECRET, "", "a" * 100_000, "🎄\n\0\"'\\", "-starts-with-a-dash"])
def test_a_secret_comes_back(plaintext: str) -> None:
    safe = Vault([generate_key()])
    sealed = safe.seal(plaintext, **ROW)
    assert safe.unseal(sealed.ciphertext, key_id=sealed.key_id, **ROW) == plaintext
    assert safe.seal(plaintext, **ROW).ciphertext != sealed.ciphertext


def test_moved_to_another_row_it_stays_shut() -> None:
    safe = Vault([generate_key(), generate_key()])
    tenants = ("11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", "")
    rows = [
        {"tenant_id": t, "kind": k, "field": f}
        for t, k, f in itertools.product(tenants, ("amocrm", "radist"), ("access_token", "api_key"))
    ]
    sealed = [safe.seal(f"{SECRET}{n}", **row) for n, row in enumerate(rows)]
    tried = 0
    for (a, b), key in itertools.product(itertools.product(range(len(rows)), repeat=2), safe.key_ids):
        token = sealed[a].ciphertext
        if a == b and key == sealed[a].key_id:
            assert safe.unseal(token, key_id=key, **rows[b]) == f"{SECRET}{a}"
            continue
        with pytest.raises(VaultError) as caught:
            safe.unseal(token, key_id=key, **rows[b])
        refused(caught.value, token)
        tried += 1
    assert tried == 276


def test_flipped_or_cut_it_stays_shut() -> None:
    safe = Vault([generate_key()])
    sealed = safe.seal(SECRET, **ROW)
    token, chance = sealed.ciphertext, random.Random(7)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
    damaged = [token[:n] for n in (0, 1, 4, 50, len(token) // 2, len(token) - 4, len(token) - 1)]
    damaged += [
        token[4:],
        token + "A",
        token + "=",
        token + "\n",
        " " + token,
        token + token,
        token.swapcase(),
        "é" + token,
    ]
    # every spelling of the last characters: their spare bits decode to the same bytes
    damaged += [token[:-n] + c + token[len(token) - n + 1 :] for n in (1, 2, 3, 4) for c in alphabet]
    for _ in range(400):
        at = chance.randrange(len(token))
        damaged.append(token[:at] + chance.choice(alphabet) + token[at + 1 :])
    damaged = [text for text in damaged if text != token]
    assert len(damaged) > 500
    for text in damaged:
        with pytest.raises(VaultError) as caught:
            safe.unseal(text, key_id=sealed.key_id, **ROW)
        refused(caught.value, text if len(text) > 20 else "")


def test_a_bare_fernet_token_of_our_own_key_stays_shut() -> None:
    key = generate_key()
    for inside in (b"plain", b'"text"', b"[]", b"{}", b'{"p": "x"}', b"null", b"\xff"):
        with pytest.raises(VaultError):
            Vault([key]).unseal(Fernet(key).encrypt(inside).decode(), key_id=vault.key_id(key), **ROW)


def test_keys_rotate() -> None:
    old, new = generate_key(), generate_key()
    sealed = [Vault([old]).seal(f"{SECRET}{n}", **ROW) for n in range(50)]
    both = Vault([new, old])
    fresh = [both.reseal(s.ciphertext, key_id=s.key_id, **ROW) for s in sealed]
    assert {s.key_id for s in fresh} == {both.current_key_id} == {vault.key_id(new)}
    for number, (before, after) in enumerate(zip(sealed, fresh, strict=True)):
        assert both.unseal(before.ciphertext, key_id=before.key_id, **ROW) == f"{SECRET}{number}"
        assert Vault([new]).unseal(after.ciphertext, key_id=after.key_id, **ROW) == f"{SECRET}{number}"
        with pytest.raises(VaultError, match=vault.key_id(new)):
            Vault([old]).unseal(after.ciphertext, key_id=after.key_id, **ROW)
    assert Vault([new]).missing({vault.key_id(old), vault.key_id(new)}) == {vault.key_id(old)}


@pytest.mark.parametrize(
    "keys",
    [[], [""], ["short"], ["change-me"], ["a" * 44], [base64.urlsafe_b64encode(b"\0" * 32).decode()],
     [base64.urlsafe_b64encode(b"secretsecretsecretsecretsecretse").decode()], [generate_key()[:-1]], [generate_key() + "="],
     [generate_key(), "short"], ["cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="], ["ключ" * 11], [generate_key() + "\n"]],
)  # fmt: skip
def test_an_unusable_key_is_refused_and_says_how_to_make_one(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="make-key") as caught:
        Vault(keys)
    assert all(len(key) < 20 or key not in str(caught.value) for key in keys)


def test_a_key_given_twice_is_refused() -> None:
    key = generate_key()
    with pytest.raises(ConfigurationError, match="дважды"):
        Vault([key, key])


def test_nothing_shows_a_key_or_a_token() -> None:
    key = generate_key()
    sealed = Vault([key]).seal(SECRET, **ROW)
    assert key not in repr(Vault([key])) and sealed.ciphertext not in repr(sealed)


def test_the_settings_hold_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    from synkro.core.settings import settings

    first, second = generate_key(), generate_key()
    try:
        monkeypatch.setenv("SYNKRO_SECRET_KEYS", f"{first},{second}")
        settings.cache_clear()
        sealed = vault.seal(SECRET, **ROW)
        assert sealed.key_id == vault.key_id(first) == vault.current_key_id()
        assert vault.unseal(sealed.ciphertext, key_id=sealed.key_id, **ROW) == SECRET
        monkeypatch.setenv("SYNKRO_SECRET_KEYS", f"{second},{first}")
        monkeypatch.setenv("SYNKRO_WEB_SECRET", "another")
        settings.cache_clear()
        assert vault.reseal(sealed.ciphertext, key_id=sealed.key_id, **ROW).key_id == vault.key_id(second)
        monkeypatch.delenv("SYNKRO_SECRET_KEYS")
        settings.cache_clear()
        with pytest.raises(ConfigurationError, match="SYNKRO_SECRET_KEYS"):
            vault.seal(SECRET, **ROW)
    finally:
        settings.cache_clear()
