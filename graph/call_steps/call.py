"""A call of a tool on its way through its steps, and what a step is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, TypeAlias

from langchain_core.messages import ToolCall, ToolMessage

from graph.approvals.pending_call import PendingCall
from graph.approvals.policy import Allow, Deny
from graph.callers import Visit
from graph.credentials.service_credentials import ServiceCredential
from identity.errors import AgentError
from tools.approval_policy import Effect
from tools.service import Service, ToolResult


@dataclass(slots=True, kw_only=True)
class Call:
    """A call, for whom it is made, and what has happened to it so far. Each step may rely on what the steps
    before it have set; what the last one has set is there when they go on.
    """

    pending: PendingCall
    visit: Visit
    service: Service
    credential: ServiceCredential
    """The caller's, which the calls of one visit share."""
    update: dict[str, Any]
    """The changes of the run's state by the calls of one visit, beside their results, by its keys."""
    goes_on: bool = False
    """Whether it began before, and its user has answered its server since."""
    allowed: Allow = field(default_factory=Allow)
    """The decision that permits the call."""
    sent: bool = False
    """Whether the service may have received it."""
    result: ToolResult | None = None
    error: AgentError | None = None
    """The failure of which `result` tells the model."""

    @property
    def id(self) -> str:
        """The id that its result has."""
        return str(self.pending.call["id"])

    @property
    def tool(self) -> str:
        """The name of the tool in its service."""
        return self.pending.call["name"]

    @property
    def only_reads(self) -> bool:
        """Whether the call changes nothing."""
        return self.service.policy(self.tool).effect is Effect.READ

    def made_anew(self, call: ToolCall) -> "Call":
        """The same call to which nothing has happened yet, as `call`, which may have other arguments."""
        return Call(
            pending=replace(self.pending, call=call),
            visit=self.visit,
            service=self.service,
            credential=self.credential,
            update=self.update,
            goes_on=self.goes_on,
        )


Outcome: TypeAlias = ToolMessage | Deny
"""The result of a call, which is on record; or why it is not made, which is not on record yet."""

Proceed: TypeAlias = Callable[[Call], Awaitable[Outcome]]
"""The steps that follow."""


class CallStep(Protocol):
    """One step around a call: `return await proceed(call)` is the step that does nothing.

    A step that does not proceed returns why. One that proceeds more than once passes `Call.made_anew`. It is
    called for many calls at once, and has no state of any of them.
    """

    async def __call__(self, call: Call, proceed: Proceed) -> Outcome:
        """The outcome of the call. Raises `AuditError`, and `UnavailableError` for what must be known."""


def in_steps(steps: Sequence[CallStep], last: Proceed) -> Proceed:
    """All `steps` as one, the first of which is outermost, and then `last`, which makes the call."""
    proceed = last
    for step in reversed(steps):
        proceed = partial(step, proceed=proceed)
    return proceed
