"""Letters to people of the installation: a link and a sentence, through the operator's SMTP server.

``SYNKRO_SMTP_URL``: ``smtps://user:password@host:465``, or ``smtp://user:password@host:587`` with STARTTLS, which is only
left out on the loopback. ``SYNKRO_MAIL_FROM``: the sender's address.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

from synkro.core.errors import ConfigurationError, TransientError
from synkro.core.settings import settings

#: a person waits for the page
_SECONDS = 15.0
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_configured() -> bool:
    return settings().smtp_url is not None


def send(to: str, subject: str, text: str) -> None:
    """One letter; raises :class:`ConfigurationError` for settings and refusals, :class:`TransientError` for an outage."""
    configured = settings().smtp_url
    if configured is None:
        raise ConfigurationError("Письма не настроены: задайте SYNKRO_SMTP_URL.")
    url = urlsplit(configured.get_secret_value())
    if url.scheme not in ("smtp", "smtps") or not url.hostname:
        raise ConfigurationError("SYNKRO_SMTP_URL: нужен вид smtps://пользователь:пароль@сервер:465.")
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = _sender(url.username, url.hostname), to, subject
    letter["Date"], letter["Message-ID"] = formatdate(localtime=False), make_msgid(domain=url.hostname)
    letter.set_content(text)
    try:
        with _connection(url.scheme, url.hostname, url.port) as server:
            if url.scheme == "smtp" and url.hostname not in _LOOPBACK:
                server.starttls(context=ssl.create_default_context())
            if url.username:
                server.login(unquote(url.username), unquote(url.password or ""))
            server.send_message(letter)
    except smtplib.SMTPAuthenticationError as error:
        raise ConfigurationError(
            "Почтовый сервер не принимает пароль из SYNKRO_SMTP_URL.", detail=repr(error)
        ) from None
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise ConfigurationError("Почтовый сервер не принял письмо. Проверьте адрес.", detail=repr(error)) from None
    except (OSError, smtplib.SMTPException) as error:
        raise TransientError("Почтовый сервер не отвечает. Повторите через минуту.", detail=repr(error)) from None


def _connection(scheme: str, host: str, port: int | None) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port or 465, timeout=_SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port or 587, timeout=_SECONDS)


def _sender(user: str | None, host: str) -> str:
    name = unquote(user or "")
    return settings().mail_from or (name if "@" in name else f"synkro@{host}")
