"""The state of a run: what its nodes hand to each other.

Everything but `credentials` is plain and may be checkpointed, streamed and traced. `credentials` is on a
channel that is never checkpointed, in a type that shows nothing of them (`graph.run_credentials`).
"""

from typing import Annotated

from langchain_core.messages import AnyMessage
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from graph.run_credentials import CredentialsChannel, RunCredentials


class PrincipalRecord(TypedDict):
    """Whose run it is, as plain values: a record, never a right. Nodes verify the caller anew."""

    issuer: str
    subject: str


def _latest(_: PrincipalRecord | None, new: PrincipalRecord) -> PrincipalRecord:
    return new


class AgentInput(TypedDict):
    """What a run is given."""

    messages: Annotated[list[AnyMessage], add_messages]


class AgentState(AgentInput, total=False):
    """What nodes read and write."""

    principal: Annotated[PrincipalRecord, _latest]
    accepted: dict[str, str]
    """The calls in the model's latest answer that may be run: call id → service name. Others never are."""
    rounds: int
    """How many answers with tool calls the model has given in this run."""
    credentials: Annotated[RunCredentials, CredentialsChannel]


class AgentOutput(TypedDict):
    """What a run answers."""

    messages: Annotated[list[AnyMessage], add_messages]
