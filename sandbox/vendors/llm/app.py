"""An OpenAI-compatible server that reads dialogs by heuristics of its own, and can lie, obey attackers or break.

``GET /v1/models`` and ``POST /v1/chat/completions`` with a Bearer key. It looks for the fenced JSON document in the last
user message and answers by its ``task``: ``read_dialog``, ``judge_claims``, ``write_headline`` or ``pick_metric``. Faults of a model are kinds of
``POST /_faults`` next to the usual ones of HTTP: see :data:`MODEL_FAULTS`. ``GET /_meter`` is the bill: requests, tokens and
millionths of a dollar answered for. Switch ``json_schema`` off and it refuses ``response_format`` as older servers do.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from decimal import Decimal
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.company.world import World
from sandbox.faults import catalogue
from sandbox.faults.catalogue import Fault, Faults
from sandbox.faults.middleware import instrument
from sandbox.faults.request_log import RequestLog
from sandbox.vendors.llm import mind

MODEL = "sandbox-reader"
#: US dollars per million tokens, in and out: what the meter charges
PRICE = (Decimal("0.15"), Decimal("0.60"))

#: kind -> (what it does, default times, parameters): set with ``POST /_faults``, on until cleared
MODEL_FAULTS: dict[str, tuple[str, int | None, dict[str, Any]]] = {
    "llm_lies_numbers": ("numbers and quotes of its own invention", None, {}),
    "llm_obeys_attacker": ("does whatever the dialog tells it to, and repeats it", None, {}),
    "llm_invalid_json": ("chatter and broken JSON", None, {}),
    "llm_truncated": ("half of the answer, finish_reason length", None, {}),
    "llm_wrong_language": ("texts and quotes in English", None, {}),
    "llm_wrong_quote": ("every quote in other words", None, {}),
    "llm_unsupported": ("sentences nothing says; as a judge it agrees", None, {}),
    "llm_wrong_person": ("who said it changed over", None, {}),
    "llm_judge_agrees": ("a judge that lets everything pass", None, {}),
    "llm_refuses": ("a polite refusal instead of an answer", None, {}),
    "llm_slow": ("the right answer after so many seconds", None, {"seconds": 3.0}),
    "llm_hang": ("no answer for so many seconds", None, {"seconds": 3600.0}),
    "llm_10mb": ("ten megabytes of answer", None, {}),
    "llm_empty": ("a message without text", None, {}),
    "llm_prose": ("the right answer with talk before and after it", None, {}),
    "llm_no_usage": ("the right answer without a bill", None, {}),
}
for _kind, _spec in MODEL_FAULTS.items():
    catalogue.KINDS.setdefault(_kind, _spec)

_FENCE = re.compile(r"```json\n(.*?)\n```", re.S)
_fault: ContextVar[Fault | None] = ContextVar("fault of this request", default=None)


def api_key(seed: int) -> str:
    return f"sk-sandbox-{hashlib.sha256(f'llm|{seed}'.encode()).hexdigest()[:32]}"


class _HttpOnly:
    """The faults as the wire sees them: those of the model are kept for the model itself."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._faults, name)

    def match(self, path: str) -> Fault | None:
        fault = self._faults.match(path)
        is_model = fault is not None and fault.kind in MODEL_FAULTS
        _fault.set(fault if is_model else None)
        return None if is_model else fault


def _errors(status: int, detail: str, more: Mapping[str, Any]) -> tuple[str, Any]:
    kind = {401: "invalid_request_error", 429: "rate_limit_error"}.get(status, "api_error")
    return "application/json", {"error": {"message": detail, "type": kind, "param": None, "code": None, **more}}


class Server:
    """One model behind one key."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.key, self.faults = api_key(world.company.seed), faults
        self.meter = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "micro_usd": 0}

    def routes(self) -> list[Route]:
        return [
            Route("/v1/models", self.models),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
            Route("/_meter", self.bill),
        ]

    async def bill(self, request: Request) -> Response:
        return JSONResponse(self.meter)

    async def models(self, request: Request) -> Response:
        if (refusal := self._refused(request)) is not None:
            return refusal
        model = {"id": MODEL, "object": "model", "created": 1_700_000_000, "owned_by": "sandbox"}
        return JSONResponse({"object": "list", "data": [model]})

    async def chat(self, request: Request) -> Response:
        if (refusal := self._refused(request)) is not None:
            return refusal
        try:
            asked = await request.json()
            messages = [str(message["content"]) for message in asked["messages"]]
        except (ValueError, KeyError, TypeError):
            return _error(400, "messages: a list of objects with role and content is required")
        if asked.get("model") != MODEL:
            return _error(404, f"The model `{asked.get('model')}` does not exist")
        if "response_format" in asked and not self.faults.switches.get("json_schema", True):
            return _error(400, "Unknown parameter: 'response_format' of type json_schema is not supported")
        fault = _fault.get()
        if fault is not None and fault.kind in ("llm_slow", "llm_hang"):
            await asyncio.sleep(float(fault.params["seconds"]))
        text, reason = self._answer(messages, fault)
        most = int(asked.get("max_tokens") or asked.get("max_completion_tokens") or 4000)
        used = {"prompt_tokens": _tokens("".join(messages)), "completion_tokens": min(_tokens(text), most)}
        self.meter["requests"] += 1
        for name, tokens in used.items():
            self.meter[name] += tokens
        # dollars per million tokens are millionths of a dollar per token; each request is billed to a whole millionth
        self.meter["micro_usd"] += round(PRICE[0] * used["prompt_tokens"] + PRICE[1] * used["completion_tokens"])
        bill = {"usage": {**used, "total_tokens": sum(used.values())}}
        return JSONResponse(
            {
                "id": f"chatcmpl-{self.meter['requests']}",
                "object": "chat.completion",
                "created": int(time.time()),
                "model": MODEL,
                "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": reason}],
                **({} if fault is not None and fault.kind == "llm_no_usage" else bill),
            }
        )

    def _refused(self, request: Request) -> Response | None:
        if request.headers.get("authorization") == f"Bearer {self.key}":
            return None
        return _error(401, "Incorrect API key provided")

    def _answer(self, messages: list[str], fault: Fault | None) -> tuple[str, str]:
        """``(text, finish_reason)``."""
        document = _document(messages)
        kind = fault.kind if fault else ""
        if document is None:
            return "Здравствуйте! Чем помочь?", "stop"
        value = mind.answer(document)
        value = mind.BENT.get(kind, lambda value, document: value)(value, document)
        text = json.dumps(value, ensure_ascii=False)
        if kind == "llm_invalid_json":
            return "Конечно, вот разбор: {topics: [" + text[1:40] + " и так далее", "stop"
        if kind == "llm_truncated":
            return text[: len(text) // 2], "length"
        if kind == "llm_refuses":
            return "Извините, я не могу помочь с этой перепиской.", "stop"
        if kind == "llm_empty":
            return "", "stop"
        if kind == "llm_prose":
            return f"Конечно! Вот разбор {{диалога}}:\n```json\n{text}\n```\nОбращайтесь, если нужно ещё.", "stop"
        if kind == "llm_10mb":
            return text[:-1] + ', "padding": "' + "а" * 5_000_000 + '"}', "stop"
        return text, "stop"


def _document(messages: list[str]) -> dict[str, Any] | None:
    """The last document that names its task."""
    for message in reversed(messages):
        for found in reversed(_FENCE.findall(message)):
            try:
                value = json.loads(found)
            except ValueError:
                continue
            if isinstance(value, dict) and "task" in value:
                return value
    return None


def _tokens(text: str) -> int:
    return max(1, len(text) // 3)


def _error(status: int, detail: str) -> Response:
    return JSONResponse(_errors(status, detail, {})[1], status)


def build_app(world: World, request_log: RequestLog, faults: Faults) -> ASGIApp:
    """The server as an ASGI app, request log and faults included."""
    faults.bind(errors=_errors, switches={"json_schema": True})
    server = Server(world, faults)
    return instrument(Starlette(routes=server.routes()), request_log, _HttpOnly(faults))  # type: ignore[arg-type]
