"""Calls to one OpenAI-compatible server, through the openai SDK.

In: a system text that is the same for every call of its kind (so that providers cache the prefix), a user text
with one fenced JSON document, a JSON schema. Out: the decoded JSON object with its cost. Promises: only hosts of the
allow-list, no redirects, at most ``Limits.tries`` requests a call (a retry and a repair both count), a deadline over
all of them, a bounded answer; every request is journalled with sizes and a hash; nothing is sent that the budget
does not allow. Errors are those of ``synkro.core.errors``.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from analysis.llm.budget import Budget, Held
from analysis.llm.limits import Limits
from analysis.llm.prices import cost, estimate_tokens
from analysis.llm.provider_errors import classify, may_cost, refuses_schema
from synkro.core.errors import DataError, SynkroError, TransientError
from synkro.http import allowlist
from synkro.reporting.spending import Settled

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

#: no honest reading is longer; a model that rambles on is cut off here
_BODY_BYTES = 1_000_000
#: seconds between two looks whether the company has a free place for a call
_TURN = 0.1
_NOT_JSON = {False: "это не объект JSON", True: "он оборван на пределе длины"}
_REPAIR = "Ответ не подошёл: {why}. Верни только один объект JSON по схеме, без пояснений и короче."


@dataclass(frozen=True)
class Answer:
    """A decoded answer and what it cost, repairs included."""

    value: dict[str, Any]
    tokens_in: int
    tokens_out: int
    cost_usd: Decimal


@dataclass(frozen=True)
class _Got:
    """The answer of one request. ``finish``: why the model stopped, ``length`` when it was cut."""

    text: str
    finish: str
    used: Settled


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
    ) -> None:
        self.model = str(public.get("model") or "")
        self.base_url = allowlist.ai_base_url(public, allow_local)
        self.budget = budget
        self.calls = 0
        self._key, self._allow_local, self._limits = api_key, allow_local, limits
        self._has_schema = True
        self._client: AsyncOpenAI | None = None

    async def __aenter__(self) -> Provider:
        from openai import AsyncOpenAI

        from synkro.http.factory import Bounds, async_client_for_ai

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

        Raises an error of ``synkro.core.errors``: :class:`BudgetExceeded`, authentication and configuration (a person
        has to act), transient (the provider), data (the answer stayed unusable).
        """
        seconds = self._limits.call_seconds * self._limits.tries
        try:
            async with asyncio.timeout(seconds):
                return await self._tries(purpose, system, user, name, schema, check, max_tokens)
        except TimeoutError:
            raise TransientError(f"AI-провайдер не ответил за {seconds:.0f} с.") from None

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
                got = await self._request(purpose, messages, name, schema, max_tokens)
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
            tokens_in, tokens_out = tokens_in + got.used.tokens_in, tokens_out + got.used.tokens_out
            spent += got.used.cost_usd
            value = extract_object(got.text)
            why = check(value) if value is not None else _NOT_JSON[got.finish == "length"]
            if value is not None and why is None:
                return Answer(value, tokens_in, tokens_out, spent)
            failure = DataError("Ответ AI-провайдера не прошёл проверку.", detail=why)
            messages = [*messages[:2], {"role": "user", "content": _REPAIR.format(why=why)}]
        raise failure

    async def _request(
        self, purpose: str, messages: list[dict[str, str]], name: str, schema: Mapping[str, Any], max_tokens: int
    ) -> _Got:
        """One HTTP request: reserved before, settled after, whatever came of it."""
        from openai.types.chat import ChatCompletion

        assert self._client is not None, "use the provider as a context manager"
        prompt = "\n".join(message["content"] for message in messages)
        arguments = self._arguments(messages, name, schema, max_tokens)
        most_out = int(arguments.get("max_completion_tokens") or arguments["max_tokens"])
        held = await self._hold(purpose, prompt, self._tokens(prompt, arguments), most_out)
        started = time.monotonic()
        # until we know better: sent, and no word of what it cost
        result = Settled(cost_usd=held.worst, is_estimate=True, error="cancelled: nobody waited for the answer")
        self.calls += 1
        try:
            # past the SDK's typed entry point, which walks every message for fields to rename: a millisecond a call
            completion = await self._client.post("/chat/completions", cast_to=ChatCompletion, body=arguments)
            text = _text_of(completion)
            result = self._used(completion, prompt, text)
            return _Got(text, _finish(completion), result)
        except Exception as error:
            failed = error if isinstance(error, SynkroError) else classify(error, self.base_url)
            if "response_format" in arguments and refuses_schema(error):
                self._has_schema = False
                failed = _SchemaRefused("response_format")
            costs = may_cost(error)
            result = Settled(
                cost_usd=held.worst if costs else Decimal(0),
                is_estimate=costs,
                error=f"{failed.kind}: {failed.detail or failed.message}",
            )
            raise failed from None
        finally:
            self.budget.settle(held, replace(result, seconds=time.monotonic() - started))

    async def _hold(self, purpose: str, prompt: str, tokens_in: int, max_tokens: int) -> Held:
        """A reserved call, as soon as the company has fewer on the way than it may have."""
        while True:
            if (held := self.budget.hold(purpose, self.model, prompt, tokens_in, max_tokens)) is not None:
                return held
            await asyncio.sleep(_TURN)

    @staticmethod
    def _tokens(prompt: str, arguments: Mapping[str, Any]) -> int:
        """Tokens of a request before sending: some servers count the schema as well."""
        schema = json.dumps(arguments["response_format"]) if "response_format" in arguments else ""
        return estimate_tokens(prompt) + estimate_tokens(schema)

    def _used(self, completion: ChatCompletion, prompt: str, text: str) -> Settled:
        """The bill of an answer; counted from the texts where the server sends none."""
        usage = getattr(completion, "usage", None)
        tokens_in = int(getattr(usage, "prompt_tokens", 0) or 0)
        tokens_out = int(getattr(usage, "completion_tokens", 0) or 0)
        told = tokens_in > 0
        if not told:
            tokens_in, tokens_out = estimate_tokens(prompt), estimate_tokens(text)
        return Settled(
            tokens_in,
            tokens_out,
            cost(self.budget.price, tokens_in, tokens_out),
            is_estimate=not told,
            answer_chars=len(text),
            answer_hash=hashlib.sha256(text.encode()).hexdigest(),
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


def _text_of(completion: ChatCompletion) -> str:
    """The message's text, empty for an answer that has none."""
    choices = getattr(completion, "choices", None)
    content = choices[0].message.content if choices and choices[0].message else None
    return content or ""


def _finish(completion: ChatCompletion) -> str:
    choices = getattr(completion, "choices", None)
    return str(getattr(choices[0], "finish_reason", "") or "") if choices else ""


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
