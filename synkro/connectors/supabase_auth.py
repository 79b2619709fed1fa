"""Supabase Auth of the configured project: does it answer, are both keys its own and in their places."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Literal

from synkro.core.errors import ConfigurationError, NotFoundError, SynkroError, TransientError
from synkro.core.settings import settings
from synkro.http.factory import Bounds, SupabaseKeyAuth, VendorForbidden, VendorUnauthorized, client
from synkro.http.ratelimit import LocalLimiter

#: a person is waiting, seconds
_PATIENCE = 10.0
_PUBLISHABLE, _SECRET = "SYNKRO_SUPABASE_PUBLISHABLE_KEY", "SYNKRO_SUPABASE_SECRET_KEY"
_WHERE = "Скопируйте его в кабинете: Project Settings → API Keys"


def check() -> str:
    """What is well; raises an error that names the variable to mend."""
    publishable, secret = settings().supabase_publishable_key, settings().supabase_secret_key
    for variable, key in ((_PUBLISHABLE, publishable), (_SECRET, secret)):
        if key is None:
            raise ConfigurationError(f"SYNKRO_SUPABASE_URL задан, а {variable} нет. {_WHERE}.")
    assert publishable is not None and secret is not None
    if kind_of(publishable.get_secret_value()) == "secret":
        raise ConfigurationError(
            f"В {_PUBLISHABLE} лежит секретный ключ: он даёт все права. Поменяйте ключи местами"
            + ("." if kind_of(secret.get_secret_value()) == "publishable" else " или впишите publishable.")
        )
    if kind_of(secret.get_secret_value()) == "publishable":
        raise ConfigurationError(f"В {_SECRET} лежит publishable-ключ: людей им не завести. {_WHERE}, раздел Secret.")
    _ask("/auth/v1/settings", {}, _PUBLISHABLE, publishable.get_secret_value())
    _ask("/auth/v1/admin/users", {"page": 1, "per_page": 1}, _SECRET, secret.get_secret_value())
    return f"{settings().supabase_url.rstrip('/')} отвечает, оба ключа приняты"


def kind_of(key: str) -> Literal["publishable", "secret", "unknown"]:
    """What a key says of itself; keys of the old kind carry the role in a token."""
    if key.startswith("sb_publishable_"):
        return "publishable"
    if key.startswith("sb_secret_"):
        return "secret"
    try:
        body = key.split(".")[1]
        role = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["role"]
    except (IndexError, KeyError, TypeError, ValueError, binascii.Error):
        return "unknown"
    return {"anon": "publishable", "service_role": "secret"}.get(role, "unknown")  # type: ignore[return-value]


def _ask(path: str, parameters: dict[str, int], variable: str, key: str) -> None:
    url = settings().supabase_url.rstrip("/")
    with client(
        "supabase",
        url,
        auth=SupabaseKeyAuth(key),
        account_key=f"supabase:{variable}",
        limiter=LocalLimiter(10.0),
        bounds=Bounds(connect=5, read=10, total=15, tries=2),
    ) as http:
        try:
            http.get(path, parameters, patience=_PATIENCE)
        except (VendorUnauthorized, VendorForbidden) as error:
            raise ConfigurationError(
                f"Supabase не принимает {variable}: ключ отозван, от другого проекта или без нужных прав. {_WHERE}.",
                detail=error.detail,
            ) from None
        except NotFoundError as error:
            raise ConfigurationError(
                f"По адресу {url} нет Supabase Auth. Впишите в SYNKRO_SUPABASE_URL адрес проекта: "
                "Project Settings → Data API → Project URL.",
                detail=error.detail,
            ) from None
        except TransientError as error:
            raise TransientError(
                f"Supabase Auth по адресу {url} не отвечает. Проверьте SYNKRO_SUPABASE_URL, сеть и не остановлен ли "
                f"проект. {error.message}",
                detail=error.detail,
            ) from None
        except SynkroError as error:
            raise ConfigurationError(
                f"Supabase Auth по адресу {url} ответил отказом на проверку {variable}. {error.message}",
                detail=error.detail,
            ) from None
