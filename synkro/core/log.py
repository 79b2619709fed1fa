"""Log lines on their way out: one format, no secrets.

Every line of this process passes :func:`redact` at the sink: the message, its arguments, tracebacks and
uncaught exceptions. Two nets are laid over each other, because each has holes. Patterns know what a token
*looks* like (Telegram, Bearer, JWT, Fernet…), :func:`register_secret` knows what our tokens *are*, in the
forms they take inside URLs, JSON, headers and base64. A place that opens a secret registers it.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import sys
import threading
from types import TracebackType
from urllib.parse import quote, quote_plus

MASK = "•••"
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

#: shorter values are words, not secrets: masking them would eat the log
_MIN_SECRET = 8

_NAMES = (
    r"(?:access|refresh|bot|auth|id|x-refresh)[_-]?token|x-api-key|api[_-]?keys?|client[_-]?secret"
    r"|secret[_-]?keys?|web[_-]?secret|password|passwd|pwd"
)

_PATTERNS: list[tuple[re.Pattern[str], str]] = [
    # the token is a part of the path of every Telegram call, so it sits in every URL and every httpx error
    (re.compile(r"(?i)\bbot\d{3,}(?::|%3A)[\w-]+"), f"bot{MASK}"),
    (re.compile(r"\b\d{6,12}:[A-Za-z0-9_-]{30,}"), MASK),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?"), MASK),
    (re.compile(r"\bgAAAA[\w-]{16,}={0,2}"), MASK),
    (re.compile(r"\bsb_secret_[\w-]+"), MASK),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), MASK),
    (re.compile(r"\bAIza[\w-]{30,}"), MASK),
    (re.compile(r"(?i)\b(bearer|authorization\W{1,6}basic)(\s+|%20)(?!•)[^\s'\",;]{6,}"), rf"\1\2{MASK}"),
    # scheme://user:password@host; greedy, because a password may hold an unescaped @
    (re.compile(r"(?i)([a-z][a-z0-9+.-]*://[^\s/:@'\"]*):[^\s'\"]*@"), rf"\1:{MASK}@"),
    # name: "quoted", with the quotes of JSON, of repr, or of JSON inside JSON
    (
        re.compile(rf"""(?i)(["'\b]?(?:{_NAMES})\\?["']?\s*[:=,]\s*(?:b|SecretStr\()?)(\\?["'])(?:(?!\2).)*\2"""),
        rf"\1\2{MASK}\2",
    ),
    (re.compile(rf"(?i)((?:{_NAMES})\s*[:=]\s*)[^\s\"'&,;)}}\]\\•]+"), rf"\1{MASK}"),
]

_lock = threading.Lock()
#: spellings of registered secrets by their first characters, longest first: a line is searched in one pass,
#: however many secrets a day has brought (one regular expression of them takes seconds to build)
_spellings: dict[str, tuple[str, ...]] = {}


def _base64_forms(raw: bytes) -> set[str]:
    """The characters a secret always leaves in base64, wherever it starts inside the encoded text."""
    forms = set()
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode()
        # characters that mix our bits with a neighbour's cannot be predicted: leave them out
        core = encoded[-(-8 * shift // 6) : 8 * (shift + len(raw)) // 6]
        forms |= {core, core.translate(str.maketrans("+/", "-_"))}
    return forms


def register_secret(value: str) -> None:
    """Mask this exact value, in plain, URL, JSON, hex and base64 spelling, in every later line."""
    if len(value) < _MIN_SECRET:
        return
    raw = value.encode("utf-8", "surrogatepass")
    forms = {value, raw.hex(), raw.hex().upper(), *_base64_forms(raw)}
    forms |= {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    with _lock:
        for form in forms:
            start = form[:_MIN_SECRET]
            known = _spellings.get(start, ())
            if len(start) == _MIN_SECRET and form not in known:
                _spellings[start] = tuple(sorted((*known, form), key=len, reverse=True))


def _without_registered(text: str) -> str:
    clean, copied, position = [], 0, 0
    while position <= len(text) - _MIN_SECRET:
        for form in _spellings.get(text[position : position + _MIN_SECRET], ()):
            if text.startswith(form, position):
                clean += [text[copied:position], MASK]
                position = copied = position + len(form)
                break
        else:
            position += 1
    return "".join([*clean, text[copied:]])


def redact(text: str) -> str:
    """The text without anything that is, or looks like, a secret."""
    if _spellings:
        text = _without_registered(text)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Formats one line and redacts it, tracebacks included."""

    def formatException(self, ei: object) -> str:
        # the base class caches this text on the record, where other handlers read it: cache it clean
        return redact(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:
        return redact(super().formatStack(stack_info))

    def formatMessage(self, record: logging.LogRecord) -> str:
        # a line break inside a vendor's text must not look like a second log line
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class RedactingFilter(logging.Filter):
    """Cleans the record itself, for handlers whose formatter is not ours (Dagster, uvicorn)."""

    _formatter = RedactingFormatter()

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            record.msg, record.args = redact(record.getMessage()), ()
        except Exception:  # a broken format string must not silence the line
            record.msg, record.args = redact(f"{record.msg} {record.args}"), ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self._formatter.formatException(record.exc_info)
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


def silence_http_loggers() -> None:
    """httpx logs whole URLs at INFO and httpcore logs headers at DEBUG: a Telegram URL *is* the token."""
    for name in ("httpx", "httpcore", "httpx2", "httpcore2", "openai", "hpack"):
        logging.getLogger(name).setLevel(logging.WARNING)


def setup(level: str = "INFO") -> None:
    """Send every log line of this process to standard error, one line each and redacted.

    Calling it again replaces the handler of the first call. Uncaught exceptions, of threads too, and warnings
    take the same way.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(FORMAT))
    handler.set_name("synkro")
    root = logging.getLogger()
    for old in [h for h in root.handlers if h.get_name() == "synkro"]:
        root.removeHandler(old)
    for other in root.handlers:
        if not any(isinstance(f, RedactingFilter) for f in other.filters):
            other.addFilter(RedactingFilter())
    root.addHandler(handler)
    root.setLevel(level.upper())
    silence_http_loggers()
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("synkro").critical("Необработанная ошибка", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
