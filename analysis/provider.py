"""Calls to one OpenAI-compatible server, through the openai SDK.

In: a system text that is the same for every call of its kind (so that providers cache the prefix), a user text
with one fenced JSON document, a JSON schema. Out: the decoded JSON object with its cost. Promises: only hosts of the
allow-list, no redirects, at most ``Limits.tries`` requests a call (a retry and a repair both count), a deadline over
all of them, a bounded answer; every request is journalled with sizes and a hash; nothing is sent that the budget
does not allow. Errors are those of ``synkro.errors``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analysis.budget import Budget, cost, estimate_tokens
from analysis.context import Limits
from synkro import hosts
from synkro.errors import (
    AuthenticationError,
    ConfigurationError,
    DataError,
    PermanentError,
    SynkroError,
    TransientError,
)
from synkro.readings import Call

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

#: no honest reading is longer; a model that rambles on is cut off here
_BODY_BYTES = 1_000_000
_REPAIR = "Ответ не подошёл: {why}. Верни только один объект JSON по схеме, без пояснений и короче."


class BudgetExceeded(PermanentError):
    """A cap does not allow this call."""

    kind = "budget"


@dataclass(frozen=True)
class Answer:
    """A decoded answer and what it cost, repairs included."""

    value: dict[str, Any]
    tokens_in: int
    tokens_out: int
    cost_usd: Decimal


class Provider:
    """One server, one model, one report's budget. Use as an async context manager."""

    def __init__(
        self,
        public: Mapping[str, Any],
        api_key: str,
        *,
        budget: Budget,
        limits: Limits,
        allow_local: bool,
        journal: Callable[[Call], None],
    ) -> None:
        self.model = str(public.get("model") or "")
        self.base_url = hosts.ai_base_url(public, allow_local)
        self.budget = budget
        self.calls = 0
        self._key, self._allow_local, self._limits, self._journal = api_key, allow_local, limits, journal
        self._slots = asyncio.Semaphore(limits.concurrency)
        self._has_schema = True
        self._client: AsyncOpenAI | None = None

    async def __aenter__(self) -> Provider:
        from openai import AsyncOpenAI

        from synkro.http import Bounds, async_client_for_ai

        seconds = self._limits.call_seconds
        bounds = Bounds(read=seconds, total=seconds, body_bytes=_BODY_BYTES)
        self._client = AsyncOpenAI(
            api_key=self._key,
            base_url=self.base_url,
            max_retries=0,
            timeout=seconds,
            # the SDK is typed for httpx2 and takes httpx clients as well
            http_client=async_client_for_ai(self.base_url, bounds=bounds, allow_local=self._allow_local),  # type: ignore[arg-type]
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def ask(
        self,
        purpose: str,
        system: str,
        user: str,
        *,
        name: str,
        schema: Mapping[str, Any],
        check: Callable[[dict[str, Any]], str | None] = lambda value: None,
        max_tokens: int = 2000,
    ) -> Answer:
        """One question; ``check`` says what is wrong with an answer, which costs the second try.

        Raises an error of ``synkro.errors``: :class:`BudgetExceeded`, authentication and configuration (a person
        has to act), transient (the provider), data (the answer stayed unusable).
        """
        async with self._slots:
            try:
                async with asyncio.timeout(self._limits.call_seconds * self._limits.tries):
                    return await self._tries(purpose, system, user, name, schema, check, max_tokens)
            except TimeoutError:
                raise TransientError(
                    f"AI-провайдер не ответил за {self._limits.call_seconds:.0f} с. Отчёт собран без него."
                ) from None

    async def _tries(
        self,
        purpose: str,
        system: str,
        user: str,
        name: str,
        schema: Mapping[str, Any],
        check: Callable[[dict[str, Any]], str | None],
        max_tokens: int,
    ) -> Answer:
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        tokens_in = tokens_out = 0
        spent = Decimal(0)
        failure: SynkroError = DataError("AI-провайдер не дал пригодного ответа.")
        attempt = 0
        while attempt < self._limits.tries:
            try:
                text, used_in, used_out, price = await self._request(purpose, messages, name, schema, max_tokens)
            except _SchemaRefused:
                # answered at once, costs nothing, and happens to the first calls of a report only
                continue
            except TransientError as error:
                failure = error
                attempt += 1
                if (error.retry_after or 0) > self._limits.patience_seconds or attempt == self._limits.tries:
                    break
                await asyncio.sleep(error.retry_after or 0.5)
                continue
            attempt += 1
            tokens_in, tokens_out, spent = tokens_in + used_in, tokens_out + used_out, spent + price
            value = extract_object(text)
            why = "это не объект JSON" if value is None else check(value)
            if value is not None and why is None:
                return Answer(value, tokens_in, tokens_out, spent)
            failure = DataError("Ответ AI-провайдера не прошёл проверку.", detail=why)
            messages = [*messages[:2], {"role": "user", "content": _REPAIR.format(why=why)}]
        raise failure

    async def _request(
        self, purpose: str, messages: list[dict[str, str]], name: str, schema: Mapping[str, Any], max_tokens: int
    ) -> tuple[str, int, int, Decimal]:
        """One HTTP request, reserved before and journalled after, whatever came of it."""
        assert self._client is not None, "use the provider as a context manager"
        prompt = "\n".join(message["content"] for message in messages)
        reserved = self.budget.reserve(estimate_tokens(prompt), max_tokens)
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        if reserved is None:
            self._journal(Call(purpose, self.model, digest, len(prompt), status="refused", error="budget"))
            raise BudgetExceeded(
                "Достигнут предел расхода на AI: поднимите monthly_cap_usd или дождитесь нового месяца."
            )
        asks_schema = self._has_schema
        started, actual, tokens_in, tokens_out, failed = time.monotonic(), Decimal(0), 0, 0, None
        self.calls += 1
        try:
            completion = await self._client.chat.completions.create(
                **self._arguments(messages, name, schema, max_tokens)
            )
            tokens_in, tokens_out = _usage(completion)
            actual = cost(self.budget.price, tokens_in, tokens_out)
            return _text_of(completion), tokens_in, tokens_out, actual
        except SynkroError as error:
            failed = error
            raise
        except Exception as error:
            if asks_schema and _refuses_schema(error):
                self._has_schema = False
                failed = _SchemaRefused("response_format")
                raise failed from None
            failed = classify(error)
            raise failed from None
        finally:
            self.budget.settle(reserved, actual)
            self._journal(
                Call(
                    purpose,
                    self.model,
                    digest,
                    len(prompt),
                    tokens_in,
                    tokens_out,
                    actual,
                    time.monotonic() - started,
                    "error" if failed else "ok",
                    f"{failed.kind}: {failed.detail or failed.message}"[:300] if failed else None,
                )
            )

    def _arguments(
        self, messages: list[dict[str, str]], name: str, schema: Mapping[str, Any], max_tokens: int
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        if self.model.startswith(("gpt-5", "o1", "o3", "o4")):
            # these refuse temperature and max_tokens, and think before they write
            arguments |= {"max_completion_tokens": max_tokens * 2, "reasoning_effort": "low"}
        else:
            arguments |= {"max_tokens": max_tokens, "temperature": 0}
        if self._has_schema:
            arguments["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "schema": schema, "strict": True},
            }
        return arguments


class _SchemaRefused(DataError):
    """The server does not know ``response_format``: ask once more without it."""


def _usage(completion: ChatCompletion) -> tuple[int, int]:
    usage = getattr(completion, "usage", None)
    return (int(usage.prompt_tokens or 0), int(usage.completion_tokens or 0)) if usage else (0, 0)


def _text_of(completion: ChatCompletion) -> str:
    """The message's text; raises DataError for an answer that has none."""
    choices = getattr(completion, "choices", None)
    content = choices[0].message.content if choices and choices[0].message else None
    return content or ""


def _refuses_schema(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return status in (400, 404, 422) and any(
        word in str(error).lower() for word in ("response_format", "json_schema", "schema")
    )


def extract_object(text: str) -> dict[str, Any] | None:
    """The JSON object in a model's answer: bare, fenced, or between words."""
    text = text.strip().removeprefix("\ufeff")
    decoder = json.JSONDecoder()
    at = text.find("{")
    for _ in range(5):
        if at < 0:
            return None
        try:
            value, _end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        return value if isinstance(value, dict) else None
    return None


def classify(error: Exception) -> SynkroError:
    """An exception of the SDK as one of ours, with a sentence for the operator."""
    import openai

    cause: BaseException | None = error
    while cause is not None:
        # the SDK wraps what our transport's guards raise
        if isinstance(cause, SynkroError):
            return cause
        cause = cause.__cause__
    detail = f"{type(error).__name__}: {error}"[:500]
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return AuthenticationError("AI-провайдер не принимает ключ. Проверьте его в настройках.", detail=detail)
    if isinstance(error, openai.NotFoundError):
        return ConfigurationError(
            "AI-провайдер не знает такой модели или адреса. Проверьте их в настройках.", detail=detail
        )
    if isinstance(error, openai.RateLimitError):
        if "insufficient_quota" in str(error):
            return PermanentError("У AI-провайдера кончились деньги на счёте. Пополните его.", detail=detail)
        return TransientError(
            "AI-провайдер просит реже обращаться.", detail=detail, retry_after=_retry_after(error.response.headers)
        )
    if isinstance(error, openai.APITimeoutError):
        return TransientError("AI-провайдер не ответил вовремя.", detail=detail)
    if isinstance(error, openai.APIStatusError):
        if error.status_code >= 500 or error.status_code in (408, 409, 425):
            return TransientError(f"AI-провайдер временно не отвечает (ошибка {error.status_code}).", detail=detail)
        return PermanentError(f"AI-провайдер не принял запрос (ошибка {error.status_code}).", detail=detail)
    if isinstance(error, openai.APIConnectionError):
        return TransientError("С AI-провайдером нет связи.", detail=detail)
    return DataError("Ответ AI-провайдера не удалось разобрать.", detail=detail)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None
