"""The raises of limits as a source of questions: to their approvers, and to operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from fastapi import APIRouter

from agent.api.inbox import AskedApproval, asked_call
from agent.api.question_source import Decided, QuestionSource, StoredParts, Withdrawable
from agent.api.surface import Surface
from agent.composition.agent import Agent
from agent.composition.kept import Kept
from graph.approvals.record import ApprovalState
from graph.approvals.request import approval_members
from identity.access_token.verified_access_token import VerifiedAccessToken
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.limit_raise import raise_of
from plugins.budgets.raise_store import RaiseStore
from plugins.budgets.raises import BudgetRaises
from plugins.budgets.usage import day_of


class BudgetRaise(AskedApproval):
    """Whether a limit that `asker` has reached is raised for the rest of the day. The arguments say which
    one, and by how much.
    """

    kind: Literal["budget_raise"]  # type: ignore[assignment]  # of its own kind alone


@dataclass(frozen=True, slots=True)
class RaiseQuestions:
    """The raises that approvers decide. Without any, nothing is asked."""

    raises: BudgetRaises | None

    async def waiting(self, caller: VerifiedAccessToken) -> list[dict[str, Any]]:
        """See `Questions`."""
        if self.raises is None:
            return []
        return [asked_call(state) for state in await self.raises.waiting(caller)]

    async def decide(
        self, question_id: str, caller: VerifiedAccessToken, *, approved: bool
    ) -> Decided | None:
        """See `Questions`."""
        if self.raises is None or not await self.raises.decide(question_id, caller, approved=approved):
            return None
        return Decided()


def _questions(agent: Agent, kept: Kept) -> RaiseQuestions:  # noqa: ARG001 - the seam's
    """Those of the agent's budget, which are announced from now on."""
    asked = [budget.raises for budget in agent.budgets if isinstance(budget, DailyBudget)]
    raises = next((raises for raises in asked if raises is not None), None)
    if raises is not None:
        raises.announce = agent.listeners.announce
    return RaiseQuestions(raises)


def _no_routes(agent: Agent) -> APIRouter | None:  # noqa: ARG001 - the seam's
    """None: a run that reaches a limit asks."""
    return None


async def _withdrawable(parts: StoredParts) -> Sequence[Withdrawable]:
    """The raises of today that wait, or count."""
    store = RaiseStore(parts.storage.database, parts.storage.encryption)
    raises = BudgetRaises(store, parts.audit, parts.clock, "", 0, "")
    states = await store.of_day(day_of(parts.clock).date().isoformat())
    return [_for_operators(raises, state) for state in states]


def _for_operators(raises: BudgetRaises, state: ApprovalState) -> Withdrawable:
    request = state.request
    record = raise_of(request)
    about = {
        "setting": record.setting,
        "amount": str(record.amount),
        "day": record.day,
        "status": state.status,
    }
    members = approval_members(request) | about
    return Withdrawable(request.id, request.principal.subject, members, partial(raises.withdraw, request))


RAISES: Final = QuestionSource(
    name="raises",
    member=BudgetRaise,
    surface=Surface(name="budget-raises", routes=_no_routes),
    questions=_questions,
    withdrawable=_withdrawable,
)
