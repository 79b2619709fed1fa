"""The keys of a project: API keys the gateway knows and the keys access tokens are signed with.

Confirmed (docs: guides/api/api-keys, guides/auth/signing-keys): opaque ``sb_publishable_…`` and ``sb_secret_…`` beside the
legacy ``anon`` and ``service_role`` tokens; a rotation keeps the former key published until it is revoked.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

FAR = 4_000_000_000


class BadToken(Exception):
    """The token is not one of ours, or too old; the message says why."""


@dataclass
class SigningKey:
    kid: str = field(default_factory=lambda: str(uuid4()))
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def public(self) -> dict[str, Any]:
        """The key as ``/.well-known/jwks.json`` shows it."""
        shown = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.private.public_key()))
        return {**shown, "alg": "ES256", "kid": self.kid, "use": "sig", "key_ops": ["verify"], "ext": True}


class Keys:
    """All keys of one project. The first of ``signing`` signs, all of them are published."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.publishable = f"sb_publishable_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"
        self.secret = f"sb_secret_{secrets.token_urlsafe(16)}_{secrets.token_hex(4)}"
        self.legacy_secret = secrets.token_urlsafe(40)
        self.anon, self.service_role = self._legacy("anon"), self._legacy("service_role")
        self.signing = [SigningKey()]

    def _legacy(self, role: str) -> str:
        claims = {"iss": "supabase", "role": role, "iat": int(time.time()), "exp": FAR}
        return jwt.encode(claims, self.legacy_secret, "HS256")

    def role_of(self, api_key: str) -> str | None:
        """``anon`` or ``service_role`` for a key of the project, else None."""
        for role, known in (
            ("anon", (self.publishable, self.anon)),
            ("service_role", (self.secret, self.service_role)),
        ):
            if any(secrets.compare_digest(api_key.encode(), key.encode()) for key in known):
                return role
        return None

    def rotate(self) -> str:
        """A new key signs from now on; the one before stays published. The new key's id."""
        self.signing.insert(0, SigningKey())
        return self.signing[0].kid

    def revoke(self, kid: str) -> None:
        """A former key is published no more: what it signed is refused."""
        if self.signing[0].kid == kid:
            raise ValueError("the signing key cannot be revoked: rotate first")
        self.signing = [key for key in self.signing if key.kid != kid]

    def sign(self, claims: dict[str, Any]) -> str:
        key = self.signing[0]
        return jwt.encode(claims, key.private, "ES256", headers={"kid": key.kid})

    def read(self, token: str) -> dict[str, Any]:
        """The claims of an access token; raises :class:`BadToken`."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") == "HS256":
                return jwt.decode(token, self.legacy_secret, ["HS256"], options={"verify_aud": False})
            key = next((key for key in self.signing if key.kid == header.get("kid")), None)
            if key is None:
                raise BadToken(f"unrecognized JWT kid {header.get('kid')} for algorithm {header.get('alg')}")
            return jwt.decode(token, key.private.public_key(), ["ES256"], options={"verify_aud": False})
        except jwt.ExpiredSignatureError:
            raise BadToken("token has invalid claims: token is expired") from None
        except jwt.InvalidTokenError as error:
            raise BadToken(f"token is malformed: {error}") from None

    def published(self) -> dict[str, Any]:
        return {"keys": [key.public() for key in self.signing]}
