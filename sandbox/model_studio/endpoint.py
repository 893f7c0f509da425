"""The routes of the OpenAI-compatible API: the key, the request, the answer or its stream."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from sandbox.amap.tools import today
from sandbox.faults.failing_service import DROP_EXTENSION
from sandbox.faults.faults import Fault
from sandbox.model_studio import wire
from sandbox.model_studio.chat_request import MODELS, RejectedRequestError, error_body, read, refusal
from sandbox.model_studio.completion import complete
from sandbox.state.cloud import Cloud
from sandbox.state.vault import AMAP_API_KEY, LLM_API_KEY

SERVICE = "model_studio"
STREAM_FAULTS = "model_studio.stream"
"""Faults of this name strike after the first words of a stream, when the status is already 200."""
_FAULT_AFTER = 3
_CREDENTIAL = re.compile(
    rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # a JWT
    rb"|\bBearer\s+[\w.~+/-]{16,}"
    rb"|\bsk-[A-Za-z0-9]{16,}"
)


class Endpoint:
    """Counted are `model_studio:chat.completions`, `…:models`, `…:refused_credential`, `…:revoked_credential`
    (a key that used to be good), `…:client_left` (while a stream hung by a fault) and
    `…:credential_in_prompt`, which must stay 0.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    async def models(self, request: Request) -> Response:
        """`GET /models`."""
        self._count("models")
        if not self._authorized(request):
            return JSONResponse(error_body(401), 401)
        return JSONResponse({"object": "list", "data": [model.body for model in MODELS.values()]})

    async def chat_completions(self, request: Request) -> Response:
        """`POST /chat/completions`."""
        self._count("chat.completions")
        if not self._authorized(request):
            return JSONResponse(error_body(401), 401)
        body = await request.body()
        if _contains_credential(body, self._cloud):
            self._count("credential_in_prompt")
        try:
            chat = read(_parsed(body))
        except RejectedRequestError as error:
            return refusal(error)
        now = self._cloud.clock()
        completion = complete(chat, today(now))
        envelope = wire.Envelope.new(chat.model.name, now)
        if chat.stream:
            chunks = list(wire.chunks(completion, envelope, include_usage=chat.include_usage))
            return StreamingResponse(
                self._events(request, chunks),
                media_type="text/event-stream;charset=UTF-8",
                headers={"Cache-Control": "no-cache"},
            )
        await self._think(completion.usage["completion_tokens"])
        return JSONResponse(wire.whole(completion, envelope))

    async def _events(self, request: Request, chunks: list[wire.Chunk]) -> AsyncIterator[str]:
        fault = self._cloud.faults.take(STREAM_FAULTS)
        await asyncio.sleep(self._cloud.settings.model_first_token_delay)
        for i, chunk in enumerate(chunks):
            if fault and i == min(_FAULT_AFTER, len(chunks) - 1):
                self._count("fault")
                try:
                    event = await _strike(fault, request)
                finally:
                    if fault.hang:
                        self._count("client_left")
                if event:
                    yield event
                if fault.status is not None or fault.drop or fault.hang:
                    return
            if delay := self._cloud.settings.model_token_delay * chunk.tokens:
                await asyncio.sleep(delay)
            yield _event(chunk.body)
        yield "data: [DONE]\n\n"

    async def _think(self, tokens: int) -> None:
        settings = self._cloud.settings
        await asyncio.sleep(settings.model_first_token_delay + settings.model_token_delay * tokens)

    def _authorized(self, request: Request) -> bool:
        authorization = request.headers.get("authorization", "")
        return self._cloud.presents_api_key(SERVICE, authorization, LLM_API_KEY)

    def _count(self, operation: str) -> None:
        self._cloud.counters.count(SERVICE, operation)


async def _strike(fault: Fault, request: Request) -> str | None:
    """Waits, hangs, cuts the connection, or gives the error event that ends the stream."""
    await asyncio.sleep(fault.latency)
    if fault.hang:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return None
    if fault.drop:
        request.scope["extensions"][DROP_EXTENSION]["abort"]()
        return None
    return _event(error_body(fault.status)) if fault.status is not None else None


def _event(body: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise RejectedRequestError("Required body invalid, please check the request body format.") from None


def _contains_credential(body: bytes, cloud: Cloud) -> bool:
    """Whether a request's body has something like a token or key, or one of the sandbox's own secrets."""
    if _CREDENTIAL.search(body):
        return True
    known = [cloud.secrets.agent_client_secret]
    known += [entry.api_key for name in (LLM_API_KEY, AMAP_API_KEY) if (entry := cloud.vault.find(name))]
    return any(secret.encode() in body for secret in known)
