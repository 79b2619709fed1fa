"""Dagster's web server, which has no sign-in of its own: the path it is shown under and the key it asks for.

It answers those alone who show the key: the app's proxy (``app/dagster_proxy.py``). A page of somebody else in the operator's
browser, or a neighbour in the network of the containers, has none.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from synkro.core.errors import ConfigurationError
from synkro.core.files import secret_file
from synkro.core.settings import settings

#: of the app's own address, so that one sign-in opens both; Dagster builds its links with it
PREFIX = "/dagster"
GRAPHQL = f"{PREFIX}/graphql"
#: versions only: whoever waits for the web server to start asks this without the key
IS_UP = f"{PREFIX}/server_info"
KEY_HEADER = "x-synkro-dagster-key"
MIN_KEY = 32


def key() -> str:
    """What the proxy shows and the web server asks for; raises :class:`ConfigurationError` when it is missing or short."""
    configured = settings().dagster_key
    if configured is not None:
        value = configured.get_secret_value()
        if len(value) < MIN_KEY or len(set(value)) < 8 or not value.isascii():
            raise ConfigurationError(
                f"SYNKRO_DAGSTER_KEY слишком простой: нужно не меньше {MIN_KEY} случайных знаков, например от "
                "openssl rand -base64 36."
            )
        return value
    if settings().dagster_url:
        raise ConfigurationError(
            "Задан SYNKRO_DAGSTER_URL, но не SYNKRO_DAGSTER_KEY: дайте приложению и Dagster один и тот же ключ."
        )
    return secret_file(settings().data_dir / "dagster_key")


def address() -> str:
    """Scheme, host and port of the web server; raises :class:`ConfigurationError`."""
    configured = settings().dagster_url.rstrip("/")
    if not configured:
        return f"http://127.0.0.1:{settings().dagster_port}"
    try:
        parts = urlsplit(configured)
        is_plain = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_plain = False
    if not is_plain or parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError(
            "SYNKRO_DAGSTER_URL: нужны только схема, имя и порт, например http://dagster-webserver:3000."
        )
    return configured
