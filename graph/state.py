"""The state of a run: what its nodes hand to each other.

Everything but `credentials` is plain and may be checkpointed, streamed and traced. `credentials` is on a
channel that is never checkpointed, and its secrets are of a type that shows a constant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from langchain_core.messages import AnyMessage
from langgraph.channels import UntrackedValue
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict  # pydantic makes schemas of no other before Python 3.12

from identity.credentials.credential import Credential
from identity.error_code import ErrorCode
from identity.secret import Secret


@dataclass(frozen=True, slots=True)
class UnavailableCredential:
    """A service's credential could not be had: its calls in this run are answered with this.

    `detail` is for operators. Streams of the state show its place only, like that of a secret.
    """

    code: ErrorCode
    detail: Secret


Credentials: TypeAlias = Mapping[str, Credential | UnavailableCredential | None]
"""By node name: `model`, and each service's. `None`: not resolved, or no longer good."""


class CredentialsChannel(UntrackedValue[Credentials]):
    """Untracked, and merging: nodes of one step may each renew their own credential."""

    def update(self, values: Sequence[Credentials]) -> bool:
        """Adds the names of all `values`; a later one replaces an earlier one."""
        if not values:
            return False
        merged = dict(self.value) if self.is_available() else {}
        for value in values:
            merged.update(value)
        self.value = merged
        return True


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
    credentials: Annotated[Credentials, CredentialsChannel]


class AgentOutput(TypedDict):
    """What a run answers."""

    messages: Annotated[list[AnyMessage], add_messages]
