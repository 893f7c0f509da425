"""`Identity.govern`: a tool or function of the application, whose calls pass the same steps.

It is a service of one tool, without a credential of the agent's: the code of the tool gets one by
`Identity.auth`. Its calls are the caller's own, so that one which changes something asks.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cachetools import FIFOCache
from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.tools import tool as tool_of
from langchain_core.utils.function_calling import convert_to_openai_tool
from langgraph.errors import is_invalid_resume
from pydantic import ValidationError

from graph.labels.labelled_messages import labels_carried, with_labels
from graph.langgraph_internals import injected_arguments
from idaas_agent.library.governed_tool import IN_CALL, CallOfApp, Governed, GovernedTool
from idaas_agent.library.open_calls import CallsOfIdentity, OpenIdentity
from identity.errors import ErrorCode
from identity.secrets.redaction import redact
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.arguments.fault import ArgumentFault, invalid_arguments
from tools.error_codes import ToolCode
from tools.service import Access, ToolResult, ToolSchema

SERVICE: Final = "app"
"""The service of the application's own tools, as policies, labels and people name it."""
UNKNOWN: Final = ToolPolicy(Effect.UNKNOWN)
"""The policy of a tool for which none is declared: its calls ask."""
_SECONDS: Final = 86_400.0
"""How long a call may take: the application bounds its tools itself."""
_OUTCOMES: Final = 1_000


def governed_tool(
    identity: OpenIdentity, given: BaseTool | Callable[..., Any], policy: ToolPolicy | None = None
) -> GovernedTool:
    """`given` as a tool whose calls pass all steps; one that does already stays as it is."""
    if isinstance(given, GovernedTool):
        return given
    tool = given if isinstance(given, BaseTool) else tool_of(given)
    service = AppService(tool, _as_the_callers_own(policy or UNKNOWN))
    identity.known_calls.read.declare(service, tool.name)
    source = CallsOfIdentity(identity, lambda _: [service], _SECONDS)
    governed = AppTool.of(
        Governed(SERVICE, service.schema, source),
        args_schema=tool.args_schema or tool.get_input_schema(),
        return_direct=tool.return_direct,
        tags=tool.tags,
        metadata=tool.metadata,
        extras=tool.extras,
    )
    governed.adopt(service)
    return governed


def _as_the_callers_own(policy: ToolPolicy) -> ToolPolicy:
    """`policy` of a tool that acts for its caller, though no credential of theirs is declared."""
    if policy.mode is not None or policy.effect not in (Effect.WRITE, Effect.EXTERNAL):
        return policy
    denying = tuple(rule for rule in policy.rules if rule.mode is ApprovalMode.DENY)
    return replace(policy, mode=ApprovalMode.ASK, rules=denying)


class AppService:
    """A `Service` of one tool of the application."""

    credential = None
    access_identity = None
    error_code: ErrorCode = ToolCode.SERVICE_FAILED
    settings = ()
    name = SERVICE

    def __init__(self, tool: BaseTool, policy: ToolPolicy) -> None:
        function = convert_to_openai_tool(tool)["function"]
        parameters = function.get("parameters") or {"type": "object", "properties": {}}
        self.tool: Final = tool
        self.schema: Final = ToolSchema(tool.name, tool.description, parameters)
        self.tool_names: Final[Collection[str]] = (tool.name,)
        self._policy = policy
        self._schemas = [self.schema]
        self.outcomes: Final[FIFOCache[Any, Any]] = FIFOCache(_OUTCOMES)
        """The results of calls whose task may run again, by what they are known by."""

    def cached_tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        """See `Service`."""
        return self._schemas

    async def tools(self, access: Access) -> Sequence[ToolSchema]:  # noqa: ARG002 - the same for every caller
        """See `Service`."""
        return self._schemas

    def policy(self, tool: str) -> ToolPolicy:  # noqa: ARG002 - there is one
        """See `Service`."""
        return self._policy

    async def argument_faults(
        self,
        tool: str,  # noqa: ARG002 - there is one
        arguments: Mapping[str, Any],  # noqa: ARG002 - the tool validates them itself
        access: Access,  # noqa: ARG002 - the same for every caller
    ) -> Sequence[ArgumentFault]:
        """See `Service`."""
        return ()

    async def call(
        self,
        tool: str,
        arguments: Mapping[str, Any],
        access: Access,  # noqa: ARG002 - it has no credential
    ) -> ToolResult:
        """See `Service`. The tool finds its run, with what LangGraph injects."""
        of_app = IN_CALL.get()
        self.outcomes.pop(of_app.known_by, None)
        call = ToolCall(name=tool, args={**arguments, **of_app.injected}, id=of_app.call_id, type="tool_call")
        try:
            outcome = await self.tool.ainvoke(call, of_app.config)
        except ValidationError as error:
            if is_invalid_resume(error):
                raise
            return ToolResult(invalid_arguments(_faults(error)), ok=False, called=False)
        if isinstance(outcome, ToolResult):
            return outcome
        if isinstance(outcome, ToolMessage):
            outcome.content = redact(outcome.content, of_app.secrets)
            self._keep(outcome, of_app)
            return ToolResult(str(outcome.text), ok=outcome.status != "error")
        self._keep(outcome, of_app)
        return ToolResult("done")

    def _keep(self, outcome: Any, of_app: CallOfApp) -> None:  # noqa: ANN401 - of any type
        """`outcome` is that of this call alone: a server of models may give the id of a call to others."""
        of_app.outcome = outcome
        if of_app.known_by is not None:
            self.outcomes[of_app.known_by] = outcome

    async def aclose(self) -> None:
        """See `Service`."""


class AppTool(GovernedTool):
    """A governed tool of the application, into which LangGraph injects what the tool itself declares."""

    _service: AppService
    _injected: Collection[str] = ()

    def adopt(self, service: AppService) -> None:
        """Calls the tool of `service`."""
        injected = injected_arguments(service.tool)
        named = {*injected.all_injected_keys, *injected.state, injected.store, injected.runtime}
        self._service = service
        self._injected = {name for name in named if name is not None}

    @property
    def func(self) -> Any:  # noqa: ANN401 - of any form
        """The function of the tool, in whose signature LangGraph looks for what it injects."""
        inner = self._service.tool
        return getattr(inner, "func", None) or getattr(inner, "coroutine", None)

    @property
    def tool_call_schema(self) -> Any:  # noqa: ANN401 - LangChain's
        """The arguments, as the model sees them."""
        return self._service.tool.tool_call_schema

    def _with_injected(
        self, arguments: dict[str, Any], config: RunnableConfig
    ) -> tuple[dict[str, Any], RunnableConfig, CallOfApp]:
        injected = {name: arguments[name] for name in self._injected if name in arguments}
        own = {name: value for name, value in arguments.items() if name not in injected}
        # The tool itself reports to LangChain's callbacks.
        return own, {**config, "callbacks": None}, CallOfApp(config, injected)

    def _outcome(self, message: ToolMessage, of_app: CallOfApp) -> Any:  # noqa: ANN401 - what the tool returned
        outcome = of_app.outcome
        if outcome is None and of_app.known_by is not None:
            outcome = self._service.outcomes.get(of_app.known_by)
        was_made = isinstance(message.artifact, dict) and message.artifact.get("called")
        if outcome is None or not was_made:
            return message
        if isinstance(outcome, ToolMessage):
            return with_labels(outcome.model_copy(update={"id": None}), labels_carried(message))
        return outcome


def _faults(error: ValidationError) -> list[ArgumentFault]:
    """The faults of arguments, without the values."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [ArgumentFault(".".join(map(str, fault["loc"])), fault["msg"]) for fault in found]
