"""Secrets at rest: sealed with the installation's keys and bound to the row they belong to.

In flows a vendor's secret with the tenant, the kind of integration and the field it belongs to; out comes a
token and the id of the key that made it. All four travel *inside* the token as well: plain Fernet would
happily open tenant A's token in tenant B's row. Needs ``SYNKRO_SECRET_KEYS``: the first key writes, all of
them read, so keys rotate by putting a new one in front, resealing every row and dropping the old one.

Promises: no plaintext, no token and no key in any error or ``repr``; a key is never made from another secret;
missing, short or well-known keys are refused before anything is sealed with them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from synkro.core.errors import ConfigurationError, DataError
from synkro.core.log import register_secret
from synkro.core.settings import settings

_HOW_TO = (
    "Создайте ключ командой synkro secrets make-key и запишите его в SYNKRO_SECRET_KEYS. Храните копию отдельно от базы: "
    "без неё сохранённые доступы не прочитать."
)

#: keys printed in documentation: the Fernet specification and the examples people copy
_KNOWN = frozenset({"cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=", "81HqDtbqAywKSOumSha3BhWNOdQ26slT6K0YaZeZyPs="})


class VaultError(DataError):
    """A sealed secret cannot be opened here: damaged, moved from another row, or its key is gone."""

    kind = "vault"


@dataclass(frozen=True)
class Sealed:
    """What is stored: the token and the id of the key that made it."""

    key_id: str
    ciphertext: str = field(repr=False)


def generate_key() -> str:
    """A new key, from the system's random source."""
    return Fernet.generate_key().decode()


def key_id(key: str) -> str:
    """The name of a key that may be shown: the first 8 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:8]


def _check_key(key: str, position: int) -> None:
    try:
        raw = base64.urlsafe_b64decode(key.encode("ascii"))
        if len(raw) != 32 or base64.urlsafe_b64encode(raw).decode() != key:
            raise ValueError
    except (ValueError, UnicodeEncodeError, binascii.Error):
        raise ConfigurationError(f"SYNKRO_SECRET_KEYS: ключ № {position} неверного вида. {_HOW_TO}") from None
    # 32 random bytes hold about 30 different ones; fewer than 16 is a passphrase or a row of zeros
    if key in _KNOWN or len(set(raw)) < 16:
        raise ConfigurationError(f"SYNKRO_SECRET_KEYS: ключ № {position} известен всем или предсказуем. {_HOW_TO}")


class Vault:
    """Seals with the first key, opens with any of them."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ConfigurationError(f"Не задан ключ для хранения доступов. {_HOW_TO}")
        for position, key in enumerate(keys, start=1):
            _check_key(key, position)
            register_secret(key)
        if len(set(keys)) != len(keys):
            raise ConfigurationError("SYNKRO_SECRET_KEYS: один ключ указан дважды. Оставьте его один раз.")
        self.key_ids: tuple[str, ...] = tuple(key_id(key) for key in keys)
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def __repr__(self) -> str:
        return f"Vault({', '.join(self.key_ids)})"

    @property
    def current_key_id(self) -> str:
        """The key that seals."""
        return self.key_ids[0]

    def missing(self, used: Iterable[str]) -> set[str]:
        """Of the key ids found in the database, those this vault cannot open: check before dropping a key."""
        return set(used) - set(self.key_ids)

    def seal(self, plaintext: str, *, tenant_id: object, kind: str, field: str) -> Sealed:
        """Seal a secret for one field of one integration of one tenant."""
        register_secret(plaintext)
        bound = {"t": str(tenant_id), "k": kind, "f": field, "i": self.current_key_id, "p": plaintext}
        token = self._fernet.encrypt(json.dumps(bound).encode())
        return Sealed(self.current_key_id, token.decode())

    def unseal(self, ciphertext: str, *, tenant_id: object, kind: str, field: str, key_id: str) -> str:
        """The plaintext; raises :class:`VaultError` for a token that was not sealed for exactly this row."""
        if key_id not in self.key_ids:
            raise VaultError(
                f"Сохранённый доступ ({kind}) зашифрован ключом {key_id}, которого нет в SYNKRO_SECRET_KEYS. "
                "Верните этот ключ в список или введите доступ заново."
            )
        try:
            # Python's base64 skips foreign characters and spare bits: many spellings would open as one token
            if base64.urlsafe_b64encode(base64.urlsafe_b64decode(ciphertext)) != ciphertext.encode():
                raise ValueError
            bound = json.loads(self._fernet.decrypt(ciphertext))
            here = {"t": str(tenant_id), "k": kind, "f": field, "i": key_id}
            if {name: bound.get(name) for name in here} != here:
                raise ValueError
            plaintext = str(bound["p"])
        except (InvalidToken, ValueError, KeyError, AttributeError):
            # from None: the cause would carry the token, or a stranger's plaintext, into the traceback
            raise VaultError(
                f"Сохранённый доступ ({kind}) повреждён или относится к другой компании. Введите его заново."
            ) from None
        register_secret(plaintext)
        return plaintext

    def reseal(self, ciphertext: str, *, tenant_id: object, kind: str, field: str, key_id: str) -> Sealed:
        """The same secret under the current key."""
        plaintext = self.unseal(ciphertext, tenant_id=tenant_id, kind=kind, field=field, key_id=key_id)
        return self.seal(plaintext, tenant_id=tenant_id, kind=kind, field=field)


@lru_cache(maxsize=4)
def _vault(keys: tuple[str, ...]) -> Vault:
    return Vault(keys)


def vault() -> Vault:
    """The vault of this process' settings; raises :class:`ConfigurationError` when the keys are unusable."""
    return _vault(tuple(key.get_secret_value() for key in settings().secret_keys))


def current_key_id() -> str:
    """The id of the key that seals now."""
    return vault().current_key_id


def seal(plaintext: str, *, tenant_id: object, kind: str, field: str) -> Sealed:
    """:meth:`Vault.seal` with the keys of the settings."""
    return vault().seal(plaintext, tenant_id=tenant_id, kind=kind, field=field)


def unseal(ciphertext: str, *, tenant_id: object, kind: str, field: str, key_id: str) -> str:
    """:meth:`Vault.unseal` with the keys of the settings."""
    return vault().unseal(ciphertext, tenant_id=tenant_id, kind=kind, field=field, key_id=key_id)


def reseal(ciphertext: str, *, tenant_id: object, kind: str, field: str, key_id: str) -> Sealed:
    """:meth:`Vault.reseal` with the keys of the settings."""
    return vault().reseal(ciphertext, tenant_id=tenant_id, kind=kind, field=field, key_id=key_id)
