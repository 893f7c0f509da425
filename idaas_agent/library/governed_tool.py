"""A LangChain tool that is complete in itself: wherever it is called, its call passes all steps.

It needs nothing around it. A tool that is misplaced is safe: outside of a run it has no caller, and refuses.
"""

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, Self

from langchain_core.messages import ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tools import BaseTool, ToolException
from pydantic import PrivateAttr

from graph.approvals.policy import AnyUser
from graph.approvals.rights import ServiceRights
from idaas_agent.library.governed_calls import GovernedCalls
from idaas_agent.library.open_calls import CallsOfIdentity, OpenIdentity, settle, verified_caller
from idaas_agent.library.place import Place
from idaas_agent.library.questions import AskedCall
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal
from identity.secrets.secret import Secret
from tools.arguments.fault import ArgumentFault
from tools.service import ToolSchema

SYNCHRONOUS: Final = (
    "use ainvoke or astream: the caller is verified, and credentials are obtained, asynchronously"
)


@dataclass(frozen=True, slots=True)
class Governed:
    """The tool that is called: `schema` of the service `name`, by the calls of the event loop in progress."""

    service: str
    schema: ToolSchema
    source: CallsOfIdentity


@dataclass(slots=True)
class CallOfApp:
    """A call in progress, as a tool of the application needs it: `config` is LangChain's, `injected` what
    LangGraph passes besides the arguments of the model.
    """

    config: RunnableConfig
    injected: Mapping[str, Any] = field(default_factory=dict)
    call_id: str = ""
    known_by: object = None
    """The call, where its task may run again; `None`: it is made once."""
    outcome: Any = field(default=None, repr=False)
    """The result that the tool returned to this call, if it is more than a text."""
    secrets: Sequence[Secret] = field(default=(), repr=False)


IN_CALL: Final[ContextVar[CallOfApp]] = ContextVar("idaas_agent.call_of_app")


class GovernedTool(BaseTool):
    """Its call raises `AccessTokenError` without a caller, and LangGraph's `GraphInterrupt` where the user is
    asked. Every other refusal or failure is a `ToolMessage` with the status `error`; of arguments without a
    call, a `ToolException`.
    """

    _governed: Governed = PrivateAttr()

    @classmethod
    def of(cls, governed: Governed, **members: Any) -> Self:  # noqa: ANN401 - of `BaseTool`
        """The tool of a service."""
        schema = governed.schema
        made = cls(
            name=schema.name,
            description=schema.description,
            args_schema=members.pop("args_schema", dict(schema.parameters)),
            **members,
        )
        made._governed = governed
        governed.source.identity.known_calls.tools[schema.name] = made
        return made

    async def arun(
        self,
        tool_input: str | dict[str, Any],
        *_: Any,  # noqa: ANN401 - LangChain's
        config: RunnableConfig | None = None,
        tool_call_id: str | None = None,
        **__: Any,  # noqa: ANN401 - LangChain's
    ) -> Any:  # noqa: ANN401 - LangChain's
        config = ensure_config() if config is None else config
        given = dict(tool_input) if isinstance(tool_input, dict) else {"input": tool_input}
        arguments, config, of_app = self._with_injected(given, config)
        outer = var_child_runnable_config.set(config)
        try:
            message = await self._result(arguments, config, tool_call_id, of_app)
        finally:
            var_child_runnable_config.reset(outer)
        if tool_call_id is not None:
            return self._outcome(message, of_app)
        if message.status == "error":
            raise ToolException(str(message.text))
        return message.content

    @property
    def service(self) -> str:
        """The node of its service."""
        return self._governed.service

    @property
    def identity(self) -> OpenIdentity:
        """That with which the tool was made."""
        return self._governed.source.identity

    def _with_injected(
        self, arguments: dict[str, Any], config: RunnableConfig
    ) -> tuple[dict[str, Any], RunnableConfig, CallOfApp]:
        """The arguments of the model, the steps' configuration, and the call for the tool's own code."""
        return arguments, config, CallOfApp(config)

    def _outcome(self, message: ToolMessage, of_app: CallOfApp) -> Any:  # noqa: ANN401, ARG002 - of `AppTool`
        """The result of the call."""
        return message

    def run(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - LangChain's
        """Raises `NotImplementedError`."""
        raise NotImplementedError(SYNCHRONOUS)

    def _run(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - LangChain's
        raise NotImplementedError(SYNCHRONOUS)

    async def faults(
        self, arguments: Mapping[str, Any], caller: VerifiedAccessToken
    ) -> Sequence[ArgumentFault]:
        """Why the service would refuse the arguments."""
        governed = self._governed
        calls = await governed.source.calls()
        return await calls.faults(governed.service, governed.schema, arguments, caller)

    async def calls(self) -> GovernedCalls:
        """Its calls, and those of the services that were made with it, for the event loop in progress."""
        return await self._governed.source.calls()

    async def rights(self, user: AnyUser) -> ServiceRights:
        """The rights of `user` to call it."""
        governed = self._governed
        return await (await self.calls()).rights(governed.service, governed.schema, user)

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON Schema of the arguments."""
        return self._governed.schema.parameters

    async def question(self, call: ToolCall, place: Place, caller: VerifiedAccessToken) -> AskedCall | None:
        """The question that `caller` is to be asked about `call`, if there is one."""
        governed = self._governed
        calls = await governed.source.calls()
        return await calls.question(governed.service, governed.schema, call, place, caller)

    async def asked_before(
        self, call: ToolCall, approval_id: str, place: Place, caller: VerifiedAccessToken, owner: Principal
    ) -> AskedCall | None:
        """The question of another process about `call`, if `owner` is `caller` and it is the same."""
        governed = self._governed
        calls = await governed.source.calls()
        return await calls.asked_before(
            governed.service, governed.schema, call, approval_id, place, caller, owner
        )

    async def _result(
        self, arguments: dict[str, Any], config: RunnableConfig, call_id: str | None, of_app: CallOfApp
    ) -> ToolMessage:
        governed = self._governed
        place = Place.of(config)
        calls = await governed.source.calls()
        caller = await verified_caller(governed.source.identity, place)
        of_app.call_id = calls.id_at(place) if call_id is None else call_id
        if place.conversation is not None:
            of_app.known_by = (place.conversation, caller.principal, place.task, of_app.call_id)
        of_app.secrets = (caller.token,)
        wanted = ToolCall(name=self.name, args=arguments, id=of_app.call_id, type="tool_call")
        outer = IN_CALL.set(of_app)
        try:
            await settle(governed.source.identity, place, caller)
            message = await calls.result(governed.service, governed.schema, wanted, place, caller)
        finally:
            IN_CALL.reset(outer)
        if message.tool_call_id != of_app.call_id:  # a server has shown another one
            return message.model_copy(update={"tool_call_id": of_app.call_id})
        return message
