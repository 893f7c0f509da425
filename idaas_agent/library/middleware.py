"""`Identity.middleware`: LangChain's `AgentMiddleware`, for an agent made by `create_agent`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, NoReturn, NotRequired

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import PrivateStateAttr
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import ensure_config
from langchain_core.tools import BaseTool
from langgraph.prebuilt.tool_node import ToolCallRequest
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

from graph.error_codes import invalid_approval
from idaas_agent.library.app_tool import governed_tool
from idaas_agent.library.governed_tool import SYNCHRONOUS, GovernedTool
from idaas_agent.library.open_calls import OpenIdentity, verified_caller, void
from idaas_agent.library.place import Place
from idaas_agent.library.step_questions import ask_about_step
from identity.principal import Principal
from tools.approval_policy import ToolPolicy

_UNGOVERNED: Final = "not run: the agent has no tool of this name whose calls could be decided about"
_ANOTHER_CALLER: Final = "the thread is another caller's, who began it"


class ThreadCaller(TypedDict):
    """Who has begun a thread. It refuses others, and grants nothing."""

    issuer: str
    subject: str


class IdentityState(AgentState[Any]):
    """The state of an agent with this middleware."""

    thread_caller: NotRequired[Annotated[ThreadCaller, PrivateStateAttr]]
    thread_read: NotRequired[Annotated[dict[str, str], PrivateStateAttr]]
    """The labels of all that the thread has read, whatever becomes of its messages."""


class IdentityMiddleware(AgentMiddleware[IdentityState, Any, Any]):
    """Verifies the caller before the first step, before each call of the model, and after each pause; decides
    about all calls of tools, and asks about those of one step at once.

    Raises `AccessTokenError` for a caller who is missing, refused or revoked, and `ApprovalError` for one in
    another's thread, unless threads are shared.
    """

    state_schema = IdentityState

    def __init__(
        self, identity: OpenIdentity, policies: Mapping[str, ToolPolicy], *, shared_threads: bool
    ) -> None:
        super().__init__()
        self.identity = identity
        self._policies = policies
        self._shared_threads = shared_threads
        self._governed: dict[str, tuple[BaseTool, GovernedTool]] = {}

    async def abefore_agent(self, state: IdentityState, runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's
        """Verifies the caller, whom the thread keeps if they begin it."""
        principal = await self._verified(state)
        update = self._read_since(state)
        if state.get("thread_caller") is None:
            update["thread_caller"] = ThreadCaller(issuer=principal.issuer, subject=principal.subject)
        return update or None

    async def abefore_model(self, state: IdentityState, runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's
        """Verifies the caller: a run whose caller was revoked ends. The thread keeps what it has read."""
        await self._verified(state)
        return self._read_since(state) or None

    async def aafter_model(self, state: IdentityState, runtime: Runtime[Any]) -> None:  # noqa: ARG002 - LangChain's
        """Asks about all calls of the response. Raises `GraphInterrupt` until they are answered."""
        await self._verified(state)
        response = state["messages"][-1]
        if isinstance(response, AIMessage) and response.tool_calls:
            tools = {**self.identity.known_calls.tools, **self._tools}
            await ask_about_step(self.identity, tools, response.tool_calls, Place.of(ensure_config()))

    async def awrap_model_call(self, request: Any, handler: Callable[[Any], Awaitable[Any]]) -> Any:  # noqa: ANN401 - LangChain's
        """Learns which tools the agent has."""
        for tool in request.tools:
            if isinstance(tool, BaseTool):
                self.govern(tool)
        return await handler(request)

    async def awrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], Awaitable[ToolMessage | Command[Any]]],
    ) -> ToolMessage | Command[Any]:
        """Calls the tool that is governed in place of the agent's."""
        await self._verified(request.state)
        if request.tool is not None:
            return await handler(request.override(tool=self.govern(request.tool)))
        call = request.tool_call
        return ToolMessage(_UNGOVERNED, tool_call_id=call["id"] or "", name=call["name"], status="error")

    def before_agent(self, state: IdentityState, runtime: Runtime[Any]) -> NoReturn:
        """Raises `NotImplementedError`."""
        raise NotImplementedError(SYNCHRONOUS)

    @property
    def _tools(self) -> Mapping[str, GovernedTool]:
        return {name: governed for name, (_, governed) in self._governed.items()}

    def govern(self, tool: BaseTool) -> GovernedTool:
        """`tool`, governed by its policy in the file, or as one of which nothing is known."""
        known = self._governed.get(tool.name)
        if known is None or known[0] is not tool:
            made = governed_tool(self.identity, tool, self._policies.get(tool.name))
            known = self._governed[tool.name] = (tool, made)
        return known[1]

    async def _verified(self, state: Any) -> Principal:  # noqa: ANN401 - of the agent
        """The caller of the run. Raises `AccessTokenError`, and `ApprovalError`."""
        place = Place.of(ensure_config())
        caller = await verified_caller(self.identity, place)
        thread = state if isinstance(state, Mapping) else {}
        kept = thread.get("thread_caller")
        owner = None if kept is None else Principal(kept["issuer"], kept["subject"])
        if owner not in (None, caller.principal) and not self._shared_threads:
            await void(self.identity, place)
            raise invalid_approval(_ANOTHER_CALLER)
        self.identity.known_calls.read.restore(place, thread.get("thread_read"))
        return caller.principal

    def _read_since(self, state: IdentityState) -> dict[str, Any]:
        """The labels of all that the thread has read, if the state lacks one of them."""
        read = dict(self.identity.known_calls.read.of(Place.of(ensure_config())).labels)
        return {} if read == state.get("thread_read") else {"thread_read": read}
