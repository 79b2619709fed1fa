"""Which addresses this product may call, and nothing else.

In flows what a person typed into an integration's form; out comes a base URL built here from parts that were
matched whole, never a URL that was merely looked at: ``endswith("vendor.com")`` lets ``evilvendor.com`` through
and two parsers disagree about ``https://evil.com\\.vendor.com``. Anything unusual is refused with
:class:`ConfigurationError` naming the field, before a name is resolved. Local sandboxes are allowed only
when the caller says so (``settings().allow_local_vendors``), and only on the loopback.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from synkro.connectors import registry
from synkro.core.errors import ConfigurationError
from synkro.core.settings import settings

TELEGRAM_HOST = "api.telegram.org"
AI_HOSTS = ("api.openai.com", "generativelanguage.googleapis.com", "openrouter.ai")

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PATH = r"(?P<path>(?:/[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}){0,8})/?"
_LOOPBACK = re.compile(r"https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::(?P<port>[1-9][0-9]{0,4}))?" + _PATH)
_HTTPS = re.compile(r"https://(?P<host>[a-z0-9.-]{1,253}(?::[1-9][0-9]{0,4})?)" + _PATH)
_SUPABASE = re.compile(r"https://[a-z0-9]{16,40}\.supabase\.co/?")


def _loopback(url: str) -> re.Match[str] | None:
    match = _LOOPBACK.fullmatch(url)
    return match if match and int(match["port"] or 80) <= 65535 else None


def _text(public: Mapping[str, Any], field: str, default: str = "") -> str:
    value = public.get(field)
    if value is None or value == "":
        return default
    if not isinstance(value, str):
        raise ConfigurationError(f"Поле «{field}»: укажите строку.")
    return value


def _local(public: Mapping[str, Any], allow_local: bool, *, ending: str = "") -> str | None:
    """The sandbox address in ``base_url``, if one was given; refuses it when local vendors are off."""
    url = _text(public, "base_url")
    if not url:
        return None
    if not allow_local:
        raise ConfigurationError(
            "Поле «base_url»: свой адрес разрешён только для песочницы. Уберите его "
            "или запустите Synkro с SYNKRO_ALLOW_LOCAL_VENDORS=1."
        )
    match = _loopback(url)
    if match is None:
        raise ConfigurationError(
            "Поле «base_url»: песочница должна работать на этом же компьютере. "
            "Укажите адрес вида http://127.0.0.1:9001."
        )
    if not match["path"].endswith(ending):
        raise ConfigurationError(f"Поле «base_url»: адрес должен заканчиваться на {ending}.")
    return url.rstrip("/")


def connector_base_url(name: str, public: Mapping[str, Any], allow_local: bool) -> str:
    """The address of a connector's account, from its declaration and its public fields."""
    api, label = registry.api_of(name), registry.label(name)
    if local := _local(public, allow_local, ending=api.path):
        return local
    subdomain = _text(public, api.subdomain_field) if api.subdomain_field else ""
    host = _text(public, api.host_field, api.hosts[0])
    if api.subdomain_field:
        if not subdomain:
            raise ConfigurationError(f"Поле «{api.subdomain_field}»: укажите поддомен {label}, например mycompany.")
        # punycode only ever imitates another name: vendors give out latin ones
        if not _LABEL.fullmatch(subdomain) or subdomain.startswith("xn--"):
            raise ConfigurationError(
                f"Поле «{api.subdomain_field}»: укажите только поддомен, без https:// и точек: латинские строчные буквы, "
                f"цифры и дефис, не длиннее 63 символов. Например, mycompany из адреса mycompany.{api.hosts[0]}."
            )
    if host not in api.hosts:
        raise ConfigurationError(f"Поле «{api.host_field}»: выберите одно из значений: {', '.join(api.hosts)}.")
    return f"https://{f'{subdomain}.' if subdomain else ''}{host}{api.path}"


def telegram_base_url(public: Mapping[str, Any], allow_local: bool) -> str:
    """``https://api.telegram.org``; the token is added to the path by the auth object."""
    return _local(public, allow_local) or f"https://{TELEGRAM_HOST}"


def ai_base_url(public: Mapping[str, Any], allow_local: bool) -> str:
    """The OpenAI-compatible endpoint in ``base_url``, without a trailing slash; OpenAI's own unless given."""
    url = _text(public, "base_url", "https://api.openai.com/v1")
    if allow_local and _loopback(url):
        return _local(public, allow_local) or url
    match = _HTTPS.fullmatch(url)
    if match is None:
        raise ConfigurationError(
            "Поле «base_url»: укажите адрес вида https://api.openai.com/v1, "
            "без логина, параметров и нестандартных символов."
        )
    if match["host"] not in (*AI_HOSTS, *settings().ai_hosts):
        raise ConfigurationError(
            f"Поле «base_url»: адрес {match['host']} не разрешён. Выберите один из: {', '.join(AI_HOSTS)} "
            "или попросите администратора сервера добавить его в SYNKRO_AI_HOSTS."
        )
    return url.rstrip("/")


def supabase_url(public: Mapping[str, Any], allow_local: bool) -> str:
    """The project address in ``url``: ``https://{ref}.supabase.co``."""
    url = _text(public, "url")
    if allow_local and (match := _loopback(url)) and not match["path"]:
        return url.rstrip("/")
    if not _SUPABASE.fullmatch(url):
        raise ConfigurationError(
            "Поле «url»: скопируйте Project URL из настроек Supabase, он выглядит как "
            "https://abcdefghijklmnopqrst.supabase.co."
        )
    return url.rstrip("/")


def is_loopback_url(url: str) -> bool:
    """True for the addresses a sandbox may have."""
    return _loopback(url) is not None


def check_base_url(vendor: str, url: str, allow_local: bool) -> None:
    """Refuse a base URL that the functions above would not have built: the last look before a client."""
    if is_loopback_url(url):
        if not allow_local:
            raise ConfigurationError(
                "Локальный адрес разрешён только для песочницы. Запустите Synkro с SYNKRO_ALLOW_LOCAL_VENDORS=1."
            )
        return
    match = _HTTPS.fullmatch(url)
    host = match["host"] if match else ""
    if vendor in registry.CONNECTORS:
        is_allowed = _is_of_connector(vendor, host)
    else:
        is_allowed = {
            "telegram": host == TELEGRAM_HOST,
            "ai": host in AI_HOSTS or host in settings().ai_hosts,
            # a project may have a domain of its own: the operator names it
            "supabase": url.rstrip("/") == settings().supabase_url.rstrip("/"),
        }[vendor]
    if not host or not is_allowed:
        raise ConfigurationError("Адрес сервиса не входит в список разрешённых. Проверьте настройки подключения.")


def _is_of_connector(name: str, host: str) -> bool:
    api = registry.api_of(name)
    subdomain, _, zone = host.partition(".")
    if api.subdomain_field:
        return zone in api.hosts and _LABEL.fullmatch(subdomain) is not None
    return host in api.hosts
