"""The state of a run: what its nodes read and write.

Everything but `credentials` is plain and may be checkpointed, streamed and traced. `credentials` is on a
channel that is never checkpointed, in a type that shows nothing of them (`RunCredentials`).
"""

from typing import Annotated, Any, Final, cast

from langchain_core.messages import AnyMessage, HumanMessage, RemoveMessage, convert_to_messages
from langgraph.errors import InvalidUpdateError
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from graph.credentials.run_credentials import CredentialsChannel, RunCredentials
from graph.hooked_state import HookedState
from graph.labels.data_labels import LabelState
from graph.proposed_calls import ProposedCallsState
from graph.server_question import QuestionState


class PrincipalRecord(TypedDict):
    """The caller of the run, as plain values. It grants nothing: each node verifies the caller itself."""

    issuer: str
    subject: str


def _latest(_: PrincipalRecord | None, new: PrincipalRecord) -> PrincipalRecord:
    return new


def appended(stored: list[AnyMessage], new: Any) -> list[AnyMessage]:  # noqa: ANN401 - as `add_messages` takes it
    """`add_messages`, by which no message is removed, and a message of the user replaces no other one.

    Nodes replace messages of their own: a call whose arguments the user has edited. Raises
    `InvalidUpdateError`: a surface refuses such an input before the run, but not that of two runs that begin
    at the same time.
    """
    listed = new if isinstance(new, list) else [new]
    messages = convert_to_messages(listed)
    for message in messages:
        if isinstance(message, RemoveMessage):
            raise InvalidUpdateError("a stored message is not removed")
        if isinstance(message, HumanMessage) and message.id is not None:
            same = next((earlier for earlier in stored if earlier.id == message.id), message)
            if (same.type, same.content) != (message.type, message.content):
                raise InvalidUpdateError("a message of the user replaces no other one")
    return cast(list[AnyMessage], add_messages(stored, messages))  # type: ignore[arg-type]  # its types are wider


class AgentInput(TypedDict):
    """The input of a run."""

    messages: Annotated[list[AnyMessage], appended]


class CustomGraphState(TypedDict, total=False):
    """The part of a run's state that nodes of an own graph write."""

    instructions: str
    """The system prompt of the run, in place of the configured one."""
    context: str
    """The data that they have found for the question: for the model, in nobody's voice."""


class AgentState(
    AgentInput, CustomGraphState, HookedState, LabelState, ProposedCallsState, QuestionState, total=False
):
    """The state that nodes read and write: that of each run, and the part of each feature beside it."""

    principal: Annotated[PrincipalRecord, _latest]
    accepted: dict[str, str]
    """The calls of the model's latest response that may be run: call id → service name."""
    rounds: int
    """Responses with tool calls in this run."""
    asking: bool
    """Whether the node `approvals` is visited again. It grants nothing."""
    consenting: bool
    """Whether the node `credentials` is visited again. It grants nothing."""
    unusable_answers: int
    """Resume values in succession that were no answer."""
    credentials: Annotated[RunCredentials, CredentialsChannel]


_OF_CUSTOM_GRAPHS: Final = AgentInput.__annotations__.keys() | CustomGraphState.__annotations__.keys()
SHARED_KEYS: Final = AgentState.__annotations__.keys() - _OF_CUSTOM_GRAPHS
"""The keys that only the agent's own nodes write."""


class AgentOutput(TypedDict):
    """The output of a run."""

    messages: Annotated[list[AnyMessage], appended]
