"""The prepared runs as a source of questions: to their users, and to operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter

from agent.api.question_source import Decided, QuestionSource, StoredParts, Withdrawable
from agent.api.surface import ClientPaths, Surface
from agent.composition.agent import Agent
from agent.composition.kept import Kept
from agent.conversations.storage import ConversationStorage
from agent.runs.conversation_runs import Conversations
from agent.settings.settings import Settings
from graph.approvals.record import ApprovalState, ApprovalStatus
from graph.approvals.request import approval_members
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal
from plugins.prepared_runs.prepared_run import client_of
from plugins.prepared_runs.prepared_runs import PreparedRuns
from plugins.prepared_runs.routes import PreparedRun, prepared_members, prepared_routes
from plugins.prepared_runs.store import PreparedRunStore
from plugins.prepared_runs.variables import PreparedRunVariables


@dataclass(frozen=True, slots=True)
class PreparedQuestions:
    """The prepared runs as their users see them: accepted, one begins."""

    prepared: PreparedRuns
    conversations: Conversations

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:
        """See `Questions`."""
        states = await self.prepared.waiting(caller)
        return [prepared_members(state, state.status) for state in states]

    async def decide(
        self, question_id: str, caller: VerifiedAccessToken, *, approved: bool
    ) -> Decided | None:
        """See `Questions`. Raises what beginning a run raises; then they may accept it again."""
        message = await self.prepared.decide(question_id, caller, approved=approved)
        if message is None:
            return None
        if not approved:
            return Decided()
        run = await self.conversations.start(caller, question_id, [message], streaming=True)
        return Decided(run.id)


class NoQuestions:
    """Without a permission to prepare runs, none is shown or begun."""

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:  # noqa: ARG002 - a method of `Questions`
        """See `Questions`."""
        return []

    async def decide(self, question_id: str, caller: VerifiedAccessToken, *, approved: bool) -> None:
        """See `Questions`."""


def _scope(settings: Settings) -> str | None:
    return settings.of(PreparedRunVariables).prepare_scope


def _store(storage: ConversationStorage) -> PreparedRunStore:
    return PreparedRunStore(storage.database, storage.encryption)


def _prepared_runs(agent: Agent, kept: Kept) -> PreparedRuns:
    """The prepared runs of an agent, which announces them."""
    identity = agent.identity
    variables = agent.settings.of(PreparedRunVariables)
    store = _store(kept.storage)
    announce = agent.listeners.announce
    return PreparedRuns(variables, store, identity.audit, identity.revocations, agent.clock, announce)


def _questions(agent: Agent, kept: Kept) -> PreparedQuestions | NoQuestions:
    if _scope(agent.settings) is None:
        return NoQuestions()
    return PreparedQuestions(_prepared_runs(agent, kept), kept.conversations)


def _routes(agent: Agent) -> APIRouter | None:
    return None if agent.kept is None else prepared_routes(_prepared_runs(agent, agent.kept))


async def _withdrawable(parts: StoredParts) -> Sequence[Withdrawable]:
    """The prepared runs that can still be accepted, the newest first."""
    variables = parts.settings.of(PreparedRunVariables)
    store = _store(parts.storage)
    prepared = PreparedRuns(variables, store, parts.audit, parts.revocations, parts.clock)
    states = await store.waiting_for_all(parts.clock())
    open_ones = [state for state in states if prepared.status(state) is ApprovalStatus.OPEN]
    return [_for_operators(prepared, state) for state in open_ones]


def _for_operators(prepared: PreparedRuns, state: ApprovalState) -> Withdrawable:
    request = state.request
    user = request.principal
    client = client_of(request) or ""

    async def withdraw() -> None:
        await prepared.withdraw(request.id, Principal(user.issuer, client), None)

    members = approval_members(request) | {"prepared_by": client}
    return Withdrawable(request.id, user.subject, members, withdraw)


PREPARED_RUNS: Final = QuestionSource(
    name="prepared",
    member=PreparedRun,
    surface=Surface(name="prepared", routes=_routes, for_clients=ClientPaths("/prepared", _scope)),
    questions=_questions,
    withdrawable=_withdrawable,
)
