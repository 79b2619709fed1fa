"""The one outbound HTTP factory: every request to a vendor leaves through a client made here.

Needs a base URL from ``synkro/http/allowlist.py``, an auth object that keeps its secret to itself, and a limiter for
the vendor's account. Gives back decoded JSON, or ``None`` for an empty answer, or one of the errors of
``synkro/core/errors.py`` with a sentence for the operator.

Promises: read-only vendors receive nothing but GET; no request leaves the origin of its base URL; a call
makes at most four tries; a 429 stops the whole account, not one thread; a send that may have arrived is not
repeated but reported (``maybe_delivered``); no secret is in an error, a log line or a ``repr``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx

from synkro.connectors import registry
from synkro.core.errors import ConfigurationError
from synkro.core.log import silence_http_loggers
from synkro.core.settings import settings
from synkro.http import ratelimit
from synkro.http.allowlist import check_base_url, is_loopback_url
from synkro.http.auth import ApiKeyAuth, BearerAuth, BotTokenAuth, SupabaseKeyAuth, VendorAuth
from synkro.http.client import OnRequest, VendorClient, common
from synkro.http.destination import Destination, Vendor
from synkro.http.errors import VendorForbidden, VendorNotFound, VendorRefused, VendorUnauthorized, VendorUnavailable
from synkro.http.ratelimit import Limiter, LocalLimiter
from synkro.http.transport import AsyncGuardedTransport, Bounds, GuardedTransport

__all__ = [
    "ApiKeyAuth",
    "BearerAuth",
    "BotTokenAuth",
    "Bounds",
    "SupabaseKeyAuth",
    "VendorAuth",
    "VendorClient",
    "VendorForbidden",
    "VendorNotFound",
    "VendorRefused",
    "VendorUnauthorized",
    "VendorUnavailable",
    "async_client_for_ai",
    "client",
    "client_for_supabase",
]

#: pace of a vendor without a limiter of its caller
_PER_SECOND = {
    **{name: ratelimit.pace(api.requests_per_second) for name, api in registry.apis().items()},
    "telegram": 25.0,
    "ai": 10.0,
    "supabase": 10.0,
}


def _destination(vendor: Vendor, base_url: str, allow_local: bool | None) -> Destination:
    check_base_url(vendor, base_url, settings().allow_local_vendors if allow_local is None else allow_local)
    silence_http_loggers()
    url = httpx.URL(base_url)
    return Destination(
        vendor,
        url.scheme,
        url.host,
        url.port or {"https": 443}.get(url.scheme, 80),
        loopback=is_loopback_url(base_url),
        private_ok=vendor == "ai" and url.netloc.decode() in settings().ai_hosts,
    )


_limiters: dict[str, LocalLimiter] = {}
_limiters_lock = threading.Lock()


def _default_limiter(vendor: Vendor, account_key: str) -> LocalLimiter:
    with _limiters_lock:
        return _limiters.setdefault(account_key, LocalLimiter(_PER_SECOND[vendor]))


def client(
    vendor: Vendor,
    base_url: str,
    *,
    auth: VendorAuth | None = None,
    account_key: str,
    limiter: Limiter | None = None,
    bounds: Bounds | None = None,
    before_request: Callable[[], None] | None = None,
    on_request: OnRequest | None = None,
    allow_local: bool | None = None,
) -> VendorClient:
    """A client for one vendor account.

    ``account_key``: the account whose limit is shared (``amocrm:mycompany.amocrm.ru``); without ``limiter``
    it gets a pace of its own within this process. ``before_request`` is called before every try and while
    waiting: raise from it to stop. ``allow_local``: as in the settings unless given.
    Raises :class:`ConfigurationError` for an address that is not the vendor's.
    """
    return VendorClient(
        _destination(vendor, base_url, allow_local),
        base_url,
        auth=auth,
        limiter=limiter or _default_limiter(vendor, account_key),
        bounds=bounds or Bounds(),
        before_request=before_request,
        on_request=on_request,
    )


def async_client_for_ai(
    base_url: str, *, bounds: Bounds | None = None, allow_local: bool | None = None
) -> httpx.AsyncClient:
    """The ``http_client`` of the openai SDK, under the same guards; retries and auth are the SDK's.

    What a guard refuses (a redirect, a foreign host, a body without end) comes through the SDK as our own
    error; a broken connection as the SDK's. The default deadline is 120 s a try, the SDK's would be 600 s.
    """
    bounds = bounds or Bounds(read=110.0, total=120.0)
    return httpx.AsyncClient(
        transport=AsyncGuardedTransport(_destination("ai", base_url, allow_local), bounds),
        trust_env=False,
        follow_redirects=False,
        **common(bounds),
    )


def client_for_supabase(base_url: str) -> httpx.Client:
    """The ``httpx_client`` of the supabase SDK, under the same guards; keys and errors are the SDK's.

    The address is the operator's own setting, not a tenant's: a server of their network or of this machine may be named.
    A person waits for each answer: 15 s a call, a connection is let go after half a minute.
    """
    silence_http_loggers()
    url = httpx.URL(base_url)
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("SYNKRO_SUPABASE_URL: укажите адрес проекта вида https://abcdefgh.supabase.co.")
    is_local = is_loopback_url(base_url)
    if url.scheme == "http" and not is_local:
        raise ConfigurationError("SYNKRO_SUPABASE_URL: пароли не отправляются без шифрования. Укажите адрес https://.")
    destination = Destination(
        "supabase",
        url.scheme,
        url.host,
        url.port or {"https": 443}.get(url.scheme, 80),
        loopback=is_local,
        private_ok=True,
    )
    bounds = Bounds(read=15.0, total=15.0, tries=1)
    return httpx.Client(
        transport=GuardedTransport(destination, bounds), trust_env=False, follow_redirects=False, **common(bounds)
    )
