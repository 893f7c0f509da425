"""The node `model`: requests a response of the model, with the tools that can be called now."""

import uuid
from collections.abc import Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, ToolMessage
from langgraph.runtime import Runtime

from graph.context import AgentContext, context_of, note_read, writer_of
from graph.credentials.run_credentials import RunCredentials
from graph.credentials.service_credentials import ServiceCredentials, secrets_of
from graph.data_labels import labels_of
from graph.error_codes import MODEL
from graph.files import with_images
from graph.limits import Limits
from graph.models.response import without_tool_calls
from graph.nodes.model_step import ModelCall, ModelSteps
from graph.prompt import build_prompt, prompt_for
from graph.state import AgentState
from graph.tool_calls.requested_calls import asked_calls, normalize_tool_calls, refusal
from graph.tool_calls.tool_catalog import OfferedTools, ToolCatalog
from graph.tool_calls.tool_step import StepRun, ToolSteps
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret
from tools.service import Service

LAST_ROUND: Final = (
    "No tool can be called any more. Answer with what the tools have returned, and say what is missing."
)


class ModelNode:
    """Requests one response in each round of tools. Raises `ServiceError` if the model fails.

    Calls that tools have proposed (`AgentState.proposed`) are a response, which passes the same checks. Of a
    run whose caller requests a call (`AgentContext.call`), the first one is that call, the last its result.
    While a call waits for its user, whom its server has asked, no response is requested.
    """

    def __init__(
        self,
        model: ModelSteps,
        services: Sequence[Service],
        service_credentials: ServiceCredentials,
        limits: Limits,
        system_prompt: str,
        steps: ToolSteps,
        static_key: Secret | None = None,
    ) -> None:
        """`static_key` is sent in place of a credential of the caller."""
        self._model = model
        self._services = {service.name: service for service in services}
        self._names = [MODEL, *self._services]
        self._service_credentials = service_credentials
        self._limits = limits
        self._system_prompt = system_prompt
        self._steps = steps
        self._static_key = static_key
        self._catalog = ToolCatalog(services, limits.tool_seconds)

    async def __call__(
        self, state: AgentState, caller: VerifiedAccessToken, runtime: Runtime[AgentContext]
    ) -> dict[str, Any]:
        """The response, the refusals of calls that no node runs, and the credentials of the next step."""
        if asked_calls(state):
            return {}
        rounds, requested = state.get("rounds", 0), state.get("requested")
        calls = state.get("proposed") or ([] if rounds or requested is None else [requested])
        if requested is not None and not calls:
            result = redact(str(state["messages"][-1].text), secrets_of(state, caller))
            return {"messages": [AIMessage(result, id=uuid.uuid4().hex)]}
        credentials = {name: self._service_credentials.of(caller, name, state) for name in self._names}
        if rounds < self._limits.tool_rounds:
            offered = await self._catalog.offered(credentials)
        else:
            offered, calls = OfferedTools([], {}, [LAST_ROUND]), []
        if calls:
            response = AIMessage("", id=uuid.uuid4().hex, tool_calls=calls)
        else:
            instructions = prompt_for(state.get("instructions") or self._system_prompt, caller.caller)
            prompt = build_prompt(instructions, state["messages"], offered.notes)
            key = self._static_key or credentials[MODEL]
            request = await self._call(prompt, offered.tools, runtime)
            response = await self._model.response(request, key, caller)
        response, refusals = self._checked(response, offered)
        renewed = {name: each.renewed for name, each in credentials.items() if each.renewed}
        if refusals:
            secrets = [*secrets_of(state, caller), *(s for each in renewed.values() for s in each.secrets)]
            run = StepRun(caller, writer_of(runtime), secrets)
            by_id = {call["id"]: call for call in response.tool_calls}
            for place, message in enumerate(refusals):
                call = by_id[message.tool_call_id]
                step = self._steps.step(call, offered.services.get(call["name"]), run)
                refusals[place] = await step.refused(message.text)
        refused = {message.tool_call_id for message in refusals}
        accepted = {
            str(call["id"]): offered.services[call["name"]]
            for call in response.tool_calls
            if call["id"] not in refused
        }
        for call in response.tool_calls:
            if name := accepted.get(str(call["id"])):
                policy = self._services[name].policy(call["name"])
                note_read(runtime, labels_of(name, call["name"], policy))
        # `None` for a called service means that the node `credentials` is to resolve it.
        called = {
            name: credentials[name].known()
            for name in accepted.values()
            if name in self._service_credentials.requirements
        }
        return {
            "messages": [response, *refusals],
            "accepted": accepted,
            "rounds": rounds + bool(response.tool_calls),
            "proposed": [],
            "credentials": RunCredentials({**renewed, **called}),
        }

    async def ask(
        self,
        messages: Sequence[AnyMessage],
        state: AgentState,
        caller: VerifiedAccessToken,
        runtime: Runtime[AgentContext],
        *,
        shown: bool,
        tools: Sequence[dict[str, Any]] = (),
    ) -> AIMessage:
        """The response to `messages` and `tools` alone. Raises the errors of the model and of its key."""
        key = self._static_key or self._service_credentials.of(caller, MODEL, state)
        call = await self._call(messages, tools, runtime, shown=shown)
        response = await self._model.response(call, key, caller)
        return response if tools else without_tool_calls(response)

    def offered(self, state: AgentState, caller: VerifiedAccessToken) -> OfferedTools:
        """The tools that can be called now, of the services that need no request to list them."""
        return self._catalog.known(
            {name: self._service_credentials.of(caller, name, state) for name in self._services}
        )

    async def _call(
        self,
        prompt: Sequence[AnyMessage],
        tools: Sequence[dict[str, Any]],
        runtime: Runtime[AgentContext],
        *,
        shown: bool = True,
    ) -> ModelCall:
        context = context_of(runtime)
        writer = writer_of(runtime) if shown and context.streaming else None
        sent, images = await with_images(prompt, runtime, self._limits.images)
        return ModelCall(sent, tools, writer, context.steps, images)

    def _checked(self, response: AIMessage, offered: OfferedTools) -> tuple[AIMessage, list[ToolMessage]]:
        """The response, and the refusals of the calls in it that no node runs."""
        if not offered.tools:
            return without_tool_calls(response), []
        response, refusals = normalize_tool_calls(response)
        refused = {message.tool_call_id for message in refusals}
        for position, call in enumerate(response.tool_calls):
            if call["id"] in refused:
                continue
            if call["name"] not in offered.services:
                refusals.append(refusal(call, f'there is no tool "{call["name"]}"'))
            elif position >= self._limits.tool_calls:
                limit = self._limits.tool_calls
                refusals.append(refusal(call, f"not run: at most {limit} tools may be called at a time"))
        return response, refusals
