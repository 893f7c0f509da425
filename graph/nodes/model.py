"""The node `model`: asks the model, with the tools on offer and the caller's key."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage, message_chunk_to_message
from langgraph.runtime import Runtime
from langgraph.types import StreamWriter

from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.events import TextEvent
from graph.limits import Limits
from graph.models.provider import ModelProvider
from graph.node_error import MODEL
from graph.nodes.caller import Callers, principal_record
from graph.prompt import build_prompt
from graph.service_credentials import ServiceCredential, ServiceCredentials
from graph.state import AgentState
from graph.tool_calls import normalize_tool_calls, refusal, without_tool_calls
from graph.tool_catalog import OfferedTools, ToolCatalog
from identity.errors import ServiceError
from identity.secret import Secret
from tools.service import Service

LAST_ROUND = (
    "No tool can be called any more. Answer with what the tools have returned, and say what is missing."
)


class ModelNode:
    """Asks once for each round of tools. Raises `ServiceError` if the model cannot answer."""

    def __init__(
        self,
        model: ModelProvider,
        services: Sequence[Service],
        callers: Callers,
        accesses: ServiceCredentials,
        limits: Limits,
        system_prompt: str,
        static_key: Secret | None = None,
    ) -> None:
        """`static_key` is sent in place of a credential of the caller."""
        self._static_key = static_key
        self._model = model
        self._services = services
        self._callers = callers
        self._accesses = accesses
        self._limits = limits
        self._system_prompt = system_prompt
        self._offers = ToolCatalog(services, limits.tool_seconds)

    async def __call__(self, state: AgentState, runtime: Runtime[AgentContext]) -> dict[str, Any]:
        caller = await self._callers.of(runtime)
        rounds = state.get("rounds", 0)
        names = [MODEL, *(service.name for service in self._services)]
        accesses = {name: self._accesses.of(caller, name, state) for name in names}
        if rounds < self._limits.tool_rounds:
            offered = await self._offers.of(accesses)
        else:
            offered = OfferedTools([], {}, [LAST_ROUND])
        call = _ModelCall(
            self._model,
            self._limits.model_seconds,
            build_prompt(self._system_prompt, state["messages"], offered.notes),
            offered.tools,
            _writer(runtime),
        )
        if self._static_key is None:
            answer = await call.answer(accesses[MODEL])
        else:
            answer = await call.answer_with(self._static_key)
        answer, refusals = self._judged(answer, offered)
        refused = {message.tool_call_id for message in refusals}
        accepted = {
            str(call["id"]): offered.services[call["name"]]
            for call in answer.tool_calls
            if call["id"] not in refused
        }
        # For each service that is called: what is known of its credential now. `None` is to be resolved.
        called = {
            name: accesses[name].known() for name in accepted.values() if name in self._accesses.requirements
        }
        renewed = {name: access.renewed for name, access in accesses.items() if access.renewed}
        return {
            "messages": [answer, *refusals],
            "accepted": accepted,
            "rounds": rounds + bool(answer.tool_calls),
            "principal": principal_record(caller),
            "credentials": renewed | called,
        }

    def _judged(self, answer: AIMessage, offered: OfferedTools) -> tuple[AIMessage, list[ToolMessage]]:
        """The answer, and the refusals of the calls in it that no node will run."""
        if not offered.tools:
            return without_tool_calls(answer), []
        answer, refusals = normalize_tool_calls(answer)
        refused = {message.tool_call_id for message in refusals}
        for position, call in enumerate(answer.tool_calls):
            if call["id"] in refused:
                continue
            if call["name"] not in offered.services:
                refusals.append(refusal(call, f'there is no tool "{call["name"]}"'))
            elif position >= self._limits.tool_calls:
                limit = self._limits.tool_calls
                refusals.append(refusal(call, f"not run: at most {limit} tools may be called at a time"))
        return answer, refusals


_ODD_PIECES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What LangChain raises for pieces that are well-formed each and cannot be added up."""


class _ModelCall:
    """One call of the model, sent again only if the key was refused before any part of the answer arrived."""

    def __init__(
        self,
        model: ModelProvider,
        seconds: float,
        messages: list[AnyMessage],
        tools: list[dict[str, Any]],
        writer: StreamWriter | None,
    ) -> None:
        self._model = model
        self._seconds = seconds
        self._messages = messages
        self._tools = tools
        self._writer = writer
        self._begun = False

    async def answer(self, access: ServiceCredential) -> AIMessage:
        credential = await access.credential()
        try:
            return await self.answer_with(credential.secret)
        except ServiceError as error:
            if error.status != 401 or self._begun:
                raise
            refusal = error
        fresh = await access.renew(credential)
        if fresh is credential:  # too young: nothing was renewed
            raise refusal
        return await self.answer_with(fresh.secret)

    async def answer_with(self, key: Secret) -> AIMessage:
        answer, fault = None, f"no complete answer within {self._seconds:g} s"
        try:
            async with asyncio.timeout(self._seconds):
                if self._writer is None:
                    answer = await self._model.complete(self._messages, self._tools, api_key=key)
                else:
                    answer = await self._stream(key, self._writer)
        except TimeoutError:
            pass
        except _ODD_PIECES:
            fault = "the answer of the model service has an unexpected form"
        else:
            if isinstance(answer, AIMessage):
                return answer
            fault = "the answer was empty"
        raise ServiceError(GraphCode.MODEL_CALL_FAILED, fault)

    async def _stream(self, key: Secret, writer: StreamWriter) -> Any:  # noqa: ANN401 - judged by the caller
        pieces: list[Any] = []
        async with aclosing(self._model.astream(self._messages, self._tools, api_key=key)) as chunks:
            async for chunk in chunks:
                if thought := chunk.additional_kwargs.get("reasoning_content"):
                    self._begun = True
                    writer(TextEvent(type="reasoning", text=thought))
                if text := str(chunk.text):
                    self._begun = True
                    writer(TextEvent(type="content", text=text))
                pieces.append(chunk)
                await asyncio.sleep(0)  # pieces that come in one burst must not delay their readers
        # Added up at once: piece by piece would copy the answer so far for each piece.
        return message_chunk_to_message(pieces[0] + pieces[1:]) if pieces else None


def _writer(runtime: Runtime[AgentContext]) -> StreamWriter | None:
    """Where pieces of the answer go, if the surface of the run wants them."""
    context = runtime.context
    return runtime.stream_writer if isinstance(context, AgentContext) and context.streaming else None
