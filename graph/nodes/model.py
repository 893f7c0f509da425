"""The node `model`: requests a response of the model, with the tools that can be called now."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, ToolCall, ToolMessage
from langchain_core.messages.ai import add_usage
from langgraph.types import StreamWriter

from graph.answer_form import AnswerForm, answer_form_of
from graph.approvals.gate import ApprovalGate
from graph.callers import Visit
from graph.context import context_of, writer_of
from graph.credentials.run_credentials import NO_CREDENTIALS, RunCredentials, in_state
from graph.credentials.service_credentials import ServiceCredential, ServiceCredentials, secrets_of
from graph.error_codes import MODEL
from graph.files import with_images
from graph.labels.data_labels import joined, labels_of
from graph.labels.run_labels import note_labels
from graph.limits import Limits
from graph.models.own_chat_model import OwnChatModel
from graph.models.response import without_tool_calls
from graph.nodes.agent_model import AgentModel
from graph.nodes.hooked_response import Prompt
from graph.nodes.middleware import Middleware
from graph.nodes.model_calls import ModelCall, ModelCalls
from graph.nodes.operator_code import OperatorVisit, show
from graph.notices import notices_to
from graph.prompt import build_prompt, prompt_for
from graph.tool_calls.call_record import CallRecord, CallRecords
from graph.tool_calls.default_arguments import call_with_defaults
from graph.tool_calls.requested_calls import asked_calls, call_identifiers, normalize_tool_calls
from graph.tool_calls.tool_catalog import OfferedTools, ToolCatalog, api_tool
from graph.tool_calls.unavailable_services import UnavailableServices
from identity.secrets.redaction import redact
from identity.secrets.secret import Secret

LAST_ROUND: Final = (
    "No tool can be called any more. Answer with what the tools have returned, and say what is missing."
)


@dataclass(frozen=True, slots=True)
class ModelNode:
    """Requests one response in each round of tools. Raises `ServiceError` if the model fails.

    Calls that are made again after a consent (`AgentState.proposed`) are a response, which passes the same
    checks. Of a run whose caller requests a call (`RequestedCall`), the first one is that call, the last its
    result. While a call waits for its user, whom its server has asked, no response is requested.
    """

    model: ModelCalls
    catalog: ToolCatalog
    service_credentials: ServiceCredentials
    limits: Limits
    system_prompt: str
    records: CallRecords
    gate: ApprovalGate
    static_key: Secret | None = None
    """It is sent in place of a credential of the caller."""
    middleware: Middleware = field(init=False, default_factory=Middleware)
    unavailable: UnavailableServices = field(init=False, default_factory=UnavailableServices)

    async def __call__(self, visit: Visit) -> dict[str, Any]:
        """The response, the results of calls that no node runs, and the credentials of the next step."""
        state, caller, runtime = visit
        if asked_calls(state):
            return {}
        rounds = state.get("rounds", 0)
        requested = state.get("requested")
        calls = list(state.get("proposed") or ())
        if not calls and not rounds and requested is not None:
            calls = [requested]
        if requested is not None and not calls:
            result = redact(str(state["messages"][-1].text), secrets_of(state, caller))
            return {"messages": [AIMessage(result, id=uuid.uuid4().hex)]}
        credentials = {
            name: self.service_credentials.of(caller, name, state) for name in (MODEL, *self.gate.services)
        }
        if rounds < self.limits.tool_rounds:
            offered = await self.catalog.offered(credentials)
        else:
            offered = OfferedTools([], {}, [LAST_ROUND])
            calls = []
        kept_before = state.get("hooked", {})
        if not rounds:
            visit = _keeping(visit, {})
        with notices_to(writer_of(runtime), partial(secrets_of, state, caller)):
            turn = await self._turn(visit, calls, offered, credentials[MODEL])
        # A failure of the model comes before any event.
        self.unavailable.say(turn.offered.unavailable, runtime)
        response, refused = self._checked(turn.response, turn.offered, state["messages"])
        renewed = {name: used.renewed for name, used in credentials.items() if used.renewed}
        seen = state.copy()
        seen["credentials"] = in_state(state).updated(RunCredentials(renewed))  # not to be shown either
        visit = visit._replace(state=seen)
        accepted: dict[str, str] = {}
        results: list[ToolMessage] = []
        for call in response.tool_calls:
            call_id = str(call["id"])
            name = call["name"]
            if call_id in refused:
                record = CallRecord(self.records, call, turn.offered.services.get(name), visit)
                results.append(await record.refuse(refused[call_id]))
            else:
                service = turn.offered.services[name]
                accepted[call_id] = service
                note_labels(runtime, labels_of(self.gate.services[service], name))
        return {
            "messages": [response, *results],
            "accepted": accepted,
            "rounds": rounds + bool(response.tool_calls),
            "proposed": [],
            "read": dict(turn.labels),
            **_update(kept_before, turn.kept),
            "credentials": self._of_next_step(accepted.values(), credentials),
        }

    async def _turn(
        self, visit: Visit, calls: list[ToolCall], offered: OfferedTools, key: ServiceCredential
    ) -> "_Turn":
        """The response with `calls`, if there are any; else that of the model, through the middleware."""
        if calls:
            return _Turn(AIMessage("", id=uuid.uuid4().hex, tool_calls=calls), offered)
        state, caller, runtime = visit
        notes = offered.notes

        def prompt(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
            instructions = prompt_for(state.get("instructions") or self.system_prompt, caller.caller)
            return build_prompt(instructions, messages, notes, state.get("context", ""))

        form = answer_form_of(runtime)
        if form is None:
            return await self._response(visit, offered, key, prompt, shown=True)
        turn = await self._response_in(form, visit, offered, key, prompt)
        context = context_of(runtime)
        if context.streaming:
            show(turn.response, writer_of(runtime), steps=context.steps)
        return turn

    async def _response(
        self, visit: Visit, offered: OfferedTools, key: ServiceCredential, prompt: Prompt, *, shown: bool
    ) -> "_Turn":
        """The response of the model to what `prompt` makes of the messages, through the middleware."""
        ask_model = partial(self.ask, visit=visit, key=key)
        if self.middleware.turn is None:
            sent = [api_tool(tool) for tool in offered.tools]
            response = await ask_model(prompt(visit.state["messages"]), tools=sent, shown=shown)
            return _Turn(response, offered)
        own = OperatorVisit(MODEL, self, visit)
        response, chosen = await self.middleware.response(
            own, ask_model, tools=offered.tools, prompt=prompt, shown=shown
        )
        return _Turn(response, offered.only(chosen), own.labels, own.kept)

    async def _response_in(
        self, form: AnswerForm, visit: Visit, offered: OfferedTools, key: ServiceCredential, prompt: Prompt
    ) -> "_Turn":
        """The response, whose answer is in `form`: one that is not is requested once more, without tools.

        Raises `AnswerFormError`.
        """

        def instructed(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
            return form.instructed(prompt(messages))

        turn = await self._response(visit, offered, key, instructed, shown=False)
        fitted = form.fitted(turn.response)
        if isinstance(fitted, AIMessage):
            return turn._replace(response=fitted)
        correction = fitted.correction(turn.response)

        def corrected(messages: Sequence[AnyMessage]) -> list[AnyMessage]:
            return [*instructed(messages), *correction]

        again = await self._response(
            _keeping(visit, turn.kept), offered.only(()), key, corrected, shown=False
        )
        fitted = form.required(again.response)
        used = add_usage(turn.response.usage_metadata, fitted.usage_metadata)
        response = fitted.model_copy(update={"usage_metadata": used})
        return again._replace(response=response, labels=joined(turn.labels, again.labels))

    def _of_next_step(
        self, called_services: Iterable[str], credentials: Mapping[str, ServiceCredential]
    ) -> RunCredentials:
        """The credentials that the node has obtained, and those of the services that are called next. `None`
        for a called service means that the node `credentials` is to resolve it.
        """
        obtained = NO_CREDENTIALS
        for credential in credentials.values():
            obtained = obtained.updated(credential.update or NO_CREDENTIALS)
        called = {
            name: credentials[name].known()
            for name in called_services
            if name in self.service_credentials.requirements
        }
        return RunCredentials(called).updated(obtained)

    async def ask(
        self,
        messages: Sequence[AnyMessage],
        visit: Visit,
        *,
        shown: bool = False,
        writer: StreamWriter | None = None,
        tools: Sequence[dict[str, Any]] = (),
        key: ServiceCredential | None = None,
        model: AgentModel | OwnChatModel | None = None,
    ) -> AIMessage:
        """The response to `messages` and `tools` alone. `key` is the node's, if it keeps what it obtains.
        With `shown`, the surface gets its pieces if it streams; else `writer`, if there is one.

        A `model` of the agent's gets the same key; one with its own key gets none. Raises the errors of the
        model and of its key.
        """
        context = context_of(visit.runtime)
        if shown and context.streaming:
            writer = writer_of(visit.runtime)
        sent, images = await with_images(messages, visit.runtime, self.limits.images)
        call = ModelCall(sent, tools, writer, context.steps, images)
        with notices_to(writer_of(visit.runtime), partial(secrets_of, visit.state, visit.caller)):
            if isinstance(model, OwnChatModel):
                response = await self.model.of(model).response(call, None, visit.caller)
            else:
                requests = (model and model.calls) or self.model
                obtained = key or self.service_credentials.of(visit.caller, MODEL, visit.state)
                response = await requests.response(call, self.static_key or obtained, visit.caller)
        return response if tools else without_tool_calls(response)

    def _checked(
        self, response: AIMessage, offered: OfferedTools, messages: Sequence[AnyMessage]
    ) -> tuple[AIMessage, dict[str, str]]:
        """The response to `messages`, and why calls in it are not made, by their ids."""
        if not offered.tools:
            return without_tool_calls(response), {}
        response, refused = normalize_tool_calls(response, call_identifiers(messages))
        if not response.tool_calls:
            return response, refused
        made = [call_with_defaults(call, offered.tools) for call in response.tool_calls]
        response = response.model_copy(update={"tool_calls": made})
        for position, call in enumerate(response.tool_calls):
            name = call["name"]
            limit = self.limits.tool_calls
            if name not in offered.services:
                reason = offered.withheld.get(name, f'there is no tool "{name}"')
            elif position >= limit:
                reason = f"not run: at most {limit} tools may be called at a time"
            else:
                continue
            refused.setdefault(str(call["id"]), reason)
        return response, refused


def _keeping(visit: Visit, kept: Mapping[str, Any]) -> Visit:
    """`visit`, in which middleware has kept `kept`."""
    if visit.state.get("hooked", {}) == kept:
        return visit
    state = visit.state.copy()
    state["hooked"] = dict(kept)
    return visit._replace(state=state)


def _update(before: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the state that is middleware's: what an earlier run has kept ends with this response."""
    return {"hooked": dict(kept)} if before or kept else {}


class _Turn(NamedTuple):
    """A response, the tools that it could call, and the labels of what hooks have read."""

    response: AIMessage
    offered: OfferedTools
    labels: Mapping[str, str] = MappingProxyType({})
    kept: Mapping[str, Any] = MappingProxyType({})
    """What middleware keeps for the next response of the run."""
