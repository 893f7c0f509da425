"""Shared dependencies of thread runs, and how one begins."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from langchain_core.messages import AnyMessage

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.checkpoints import Checkpoints
from agent.conversations.owned_thread import RunKey
from agent.conversations.threads import ThreadStore
from graph.approvals.answer import AnswerReader
from graph.approvals.consent_urls import ConsentUrls
from graph.approvals.record import PendingApproval
from graph.approvals.titles import NO_TITLES, Titles
from graph.build import CompiledAgentGraph
from graph.state import AgentInput
from identity.access_token.verified_access_token import VerifiedAccessToken

if TYPE_CHECKING:
    from idaas_agent.library.served_graph import ServedGraph

RunGraph: TypeAlias = "CompiledAgentGraph | ServedGraph"
"""The graph of runs: the agent's own, or that of an application, which streams the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """Shared dependencies of thread runs."""

    graph: RunGraph
    threads: ThreadStore
    approvals: SqlApprovalStore
    answers: AnswerReader
    checkpoints: Checkpoints
    process_id: str
    window_tokens: int
    clock: Callable[[], float] = time.time
    consent_urls: ConsentUrls | None = None
    titles: Titles = NO_TITLES

    async def shown(
        self, pending: Iterable[PendingApproval], caller: VerifiedAccessToken
    ) -> tuple[PendingApproval, ...]:
        """`pending` with the titles of the operator, and the schema of the arguments, or the URL of a
        consent, for `caller`.
        """
        approvals = []
        for approval in pending:
            parameters = self.answers.parameters(approval.request, caller)
            with_parameters = self.titles.beside(replace(approval, parameters=parameters))
            if self.consent_urls is None:
                approvals.append(with_parameters)
            else:
                approvals.append(await self.consent_urls.shown(with_parameters, caller))
        return tuple(approvals)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run of a thread that its caller has requested."""

    caller: VerifiedAccessToken
    key: RunKey
    streaming: bool
    requested: Sequence[object] = field(default=(), repr=False)
    """Records beside the run: `RequestedCall`, `AnswerForm`."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The files of its new messages, by their ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """How the graph of a run starts, which has begun in the store of threads."""

    input: AgentInput | None
    """`None` continues a run that waits."""
    answers: Mapping[str, object] = field(default_factory=dict)
    """Answers to the approvals that the run waits for."""
    read: Mapping[str, str] = field(default_factory=dict)
    """The labels of what the conversation has read (`graph.labels.data_labels`)."""
    earlier: Sequence[AnyMessage] = ()
    """A paused run continues with the open calls of this response; results follow it."""
