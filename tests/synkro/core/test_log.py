"""No spelling of a secret leaves the process in a log line."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import httpx
import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from synkro.core import log

#: what must vanish, what must stay
LOOKS: list[tuple[str, str, str]] = [
    ("GET https://api.telegram.org/bot700100200:AAHcanary-tok_en/getMe", "AAHcanary", "/getMe"),
    ("https://api.telegram.org/bot700100200%3AAAHcanary-tok_en/getMe", "AAHcanary", "/getMe"),
    ("token is 700100200:AAHcanary0123456789_abcdefghijk-lm", "AAHcanary", "token is"),
    ("Authorization: Bearer canary.abc-def_123", "canary", "Authorization: Bearer"),
    ("{'authorization': 'Bearer canary-abc'}", "canary", "authorization"),
    ("authorization: Basic dXNlcjpjYW5hcnk=", "dXNlcjpj", "Basic"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.canary-sig end", "canary", "end"),
    ("cut jwt eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiIxIn0", "eyJjYW5hcnki", "cut jwt"),
    ("X-Api-Key: -canary_key0123", "canary", "X-Api-Key"),
    ("[(b'X-Api-Key', b'-canary_key0123')]", "canary", "X-Api-Key"),
    ("Headers({'x-api-key': 'canary-key', 'accept': 'json'})", "canary", "accept"),
    ("?access_token=canary&page=2", "canary", "page=2"),
    ('{"access_token": "canary", "expires_in": 86400}', "canary", "86400"),
    ('{"refresh_token":"can\\"ary","page":1}', "can", '"page":1'),
    ('"{\\"client_secret\\": \\"canary\\", \\"a\\": 1}"', "canary", "1"),
    ("client_secret='canary with spaces' a=1", "canary", "a=1"),
    ("refresh_token=canary; x", "canary", "; x"),
    ("postgresql://postgres:canary@db.example.com:5432/synkro", "canary", "db.example.com:5432/synkro"),
    ("postgresql://postgres:can@ary/@db.example.com/x", "ary/", "db.example.com/x"),
    ("host=db password=canary dbname=x", "canary", "dbname=x"),
    ("gAAAAABmcanary0123456789abcdefghijklmno==", "canary", ""),
    ("sk-proj-canary0123456789", "canary", ""),
    ("sb_secret_canary0123", "canary", ""),
    ("AIzaSycanary0123456789abcdefghijklmnopqrs", "canary", ""),
    ("SecretStr api_key=SecretStr('canary')", "canary", "api_key"),
]

SECRETS = [
    "plain-Canary_0123",
    "with space & /?%+=",
    "Кириллица-секрет",
    "quo\"te\\back'slash",
    "-86ZZ_starts_with_dash",
]


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    before = dict(log._spellings)
    yield
    log._spellings.clear()
    log._spellings.update(before)


@pytest.mark.parametrize(("text", "gone", "kept"), LOOKS)
def test_what_looks_like_a_secret_is_masked(text: str, gone: str, kept: str) -> None:
    assert gone not in log.redact(text)
    assert kept in log.redact(text)


@pytest.mark.parametrize(
    "text",
    ["amoCRM временно не отвечает (ошибка 502). Подождите несколько минут.", "GET /api/v4/leads 200 0.153 s 25600 bytes",
     "Запуск 7c3e в 2026-03-09T10:15:00+03:00: 14 диалогов", "http://127.0.0.1:9001/v2/companies/1/", "basic checks passed",
     "https://acme.amocrm.ru:443/api?page=2", "the bearer of news", "sk-", "bot started", "tokens: 512"],
)  # fmt: skip
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert log.redact(text) == text


@pytest.mark.parametrize("secret", SECRETS)
def test_a_registered_secret_vanishes_in_every_spelling(secret: str) -> None:
    log.register_secret(secret)
    raw = secret.encode()
    spellings = [
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), raw.hex(), raw.hex().upper(),
        json.dumps(secret), json.dumps(secret, ensure_ascii=False), repr(secret), repr({"a": secret}),
    ]  # fmt: skip
    for before in ("", "u", "us", "user:"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            spellings.append(encode(before.encode() + raw + b"@host").decode())
    for text in spellings:
        shown = log.redact(f"before {text} after")
        assert log.MASK in shown and shown.startswith("before") and shown.endswith("after")
        # what may stay of base64 are the characters shared with the neighbours
        left = shown.removeprefix("before ").removesuffix(" after").replace(log.MASK, "").strip("\"'{}: a")
        assert len(left) <= 20, shown


def test_a_short_word_is_not_a_secret() -> None:
    log.register_secret("deals")
    log.register_secret("")
    assert log.redact("42 deals") == "42 deals"


def test_a_secret_inside_another_leaves_no_tail() -> None:
    log.register_secret("canary-one")
    log.register_secret("canary-one-and-two")
    assert log.redact("x canary-one-and-two y canary-one z") == "x ••• y ••• z"


def test_a_thousand_secrets_cost_little() -> None:
    """A line costs about the same with one secret and with a thousand: by the processor's time, the best of some."""
    line = "an ordinary line of a log, about a hundred characters long, with a number 12345 and a word " * 2

    def cost() -> float:
        tries = []
        for _ in range(10):
            started = time.thread_time()
            for _ in range(30):
                log.redact(line)
            tries.append(time.thread_time() - started)
        return min(tries)

    log.register_secret(f"canary-first-{'x' * 60}")
    with_one = cost()
    for number in range(1000):
        log.register_secret(f"canary-{number}-{'x' * 60}")
    assert cost() < 3 * with_one


# --- the sink --------------------------------------------------------------------------------------------


@pytest.fixture
def sink() -> Iterator[io.StringIO]:
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    level = root.level
    stream = io.StringIO()
    with contextlib.redirect_stderr(stream):
        log.setup("DEBUG")
    log.register_secret("canary-0123456789")
    yield stream
    for handler in [h for h in root.handlers if h.get_name() == "synkro"]:
        root.removeHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook = hooks
    for handler in root.handlers:
        for added in [f for f in handler.filters if isinstance(f, log.RedactingFilter)]:
            handler.removeFilter(added)


def explode() -> None:
    try:
        raise ValueError("inner canary-0123456789")
    except ValueError as error:
        raise RuntimeError("outer bot123456:AAcanary-0123456789") from error


def test_message_arguments_and_tracebacks_are_clean(sink: io.StringIO) -> None:
    logger = logging.getLogger("synkro.test")
    logger.info("message canary-0123456789")
    logger.info("argument %s %r", "canary-0123456789", {"access_token": "canary-other"})
    logger.info({"nested": {"api_key": "canary-other"}})  # type: ignore[arg-type]
    try:
        explode()
    except RuntimeError:
        logger.exception("failed")
        logger.error("stack", stack_info=True)
    request = httpx.Request(
        "GET", "https://u:canary-other@h/bot123456:AAcanary/x", headers={"X-Api-Key": "canary-other"}
    )
    logger.info("%r %r", request, httpx.ConnectError("bot123456:AAcanary", request=request))
    logger.info("%s", request.headers.raw)

    class Config(BaseModel):
        api_key: SecretStr
        access_token: str
        port: int

    logger.info("%r", Config(api_key=SecretStr("canary-other"), access_token="canary-other", port=1))
    try:
        Config(api_key="canary-0123456789", access_token="x", port="canary-0123456789")  # type: ignore[arg-type]
    except ValidationError:
        logger.exception("wrong settings")
    text = sink.getvalue()
    assert "Traceback" in text and "ValueError: inner" in text and "RuntimeError: outer" in text
    assert "canary" not in text.replace("explode", "").replace("logger", "")


def test_a_line_break_in_a_text_makes_no_second_line(sink: io.StringIO) -> None:
    logging.getLogger("x").info("name\n2026-01-01 CRITICAL root: forged\r\nend")
    assert len(sink.getvalue().splitlines()) == 1


def test_setup_twice_writes_once(sink: io.StringIO) -> None:
    with contextlib.redirect_stderr(sink):
        log.setup("INFO")
    logging.getLogger("x").info("only once")
    logging.getLogger("x").debug("not at all")
    assert sink.getvalue().count("only once") == 1


def test_http_libraries_are_quiet(sink: io.StringIO) -> None:
    logging.getLogger("httpx").info("HTTP Request: GET https://h/bot1:x")
    logging.getLogger("httpcore.http11").debug("headers")
    assert sink.getvalue() == ""


def test_a_foreign_handler_gets_clean_records(sink: io.StringIO) -> None:
    seen: list[str] = []

    class Foreign(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(self.format(record) + repr(record.__dict__))

    foreign = Foreign()
    foreign.addFilter(log.RedactingFilter())
    logger = logging.getLogger("synkro.foreign")
    logger.addHandler(foreign)
    try:
        explode()
    except RuntimeError:
        logger.exception("failed %s", "canary-0123456789")
    logger.info("broken %d", "canary-0123456789")
    logger.removeHandler(foreign)
    assert len(seen) == 2 and "Traceback" in seen[0]
    assert "canary" not in "".join(seen)


def test_uncaught_exceptions_of_any_thread_are_clean() -> None:
    program = (
        "import threading, warnings\n"
        "from synkro.core import log\n"
        "log.setup()\n"
        "log.register_secret('can' + 'ary-0123456789')\n"
        "def boom(): raise ValueError('can' + 'ary-0123456789')\n"
        "warnings.warn('can' + 'ary-0123456789')\n"
        "thread = threading.Thread(target=boom); thread.start(); thread.join()\n"
        "boom()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("ValueError: •••") == 2
    assert "canary" not in done.stdout + done.stderr
