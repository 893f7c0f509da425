"""Counts what callers use of the models in a day, over all processes, and refuses more than a budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from langchain_core.messages.ai import UsageMetadata

from agent.composition.service_parts import ServiceParts
from agent.conversations.database.database import Database, Rows, Statement, Transaction
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from graph.notices import is_heard
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError
from plugins.budgets.limit_raise import LimitRaise, RaiseAskedError
from plugins.budgets.limits import Budget, DailyLimits, daily_limits
from plugins.budgets.near import LimitUse, newly_near, tell_near
from plugins.budgets.prices import Prices
from plugins.budgets.raises import BudgetRaises, budget_raises
from plugins.budgets.usage import OF_DAY, day_of, is_counted, usage_of
from plugins.budgets.variables import BudgetVariables

_DAY_SECONDS: Final = 86_400.0
_ASKED_SECONDS: Final = 60.0
"""After which a client may try again while an approver is asked."""
_KEPT: Final = timedelta(days=2)
_ADD: Final = """
    INSERT INTO model_usage (day, owner, model, input_tokens, output_tokens) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (day, owner, model) DO UPDATE
            SET input_tokens = model_usage.input_tokens + ?,
                output_tokens = model_usage.output_tokens + excluded.output_tokens
"""


@dataclass(frozen=True, slots=True)
class DailyBudget:
    """A `ModelBudget` of each user, or client that calls as itself, and of the groups and clients that have
    limits, and day (UTC), in the database of conversations.

    Guaranteed: the prompt of a response is counted before it is requested, by an estimate, and what the
    response has used in its place when it has ended, once, whatever happens to the process between; the next
    request after one of the caller's budgets is used up is refused, in every process. Not bounded: the
    responses that are requested at the same time, beyond their prompts, and the size of the last one. Not
    counted: what a process had received of a response when it was killed.
    """

    database: Database
    clock: Callable[[], float]
    limits: DailyLimits = field(default_factory=DailyLimits)
    prices: Prices = field(default_factory=dict)
    raises: BudgetRaises | None = None
    """Without them, no limit is raised."""
    near_percent: int = 0
    """The share of a limit from which callers are told, once a day; 0: they are not."""

    async def reserve(self, caller: VerifiedAccessToken, model: str, tokens: int) -> "DailyReservation":
        """See `ModelBudget`."""
        now = day_of(self.clock)
        day = now.date().isoformat()
        oldest = (now - _KEPT).date().isoformat()
        budgets = self.limits.budgets_of(caller)
        # In one order, so that no two transactions wait for each other.
        owners = sorted(budget.owner for budget in budgets)
        caller_owner = owner_digest(caller.principal)
        reservation = DailyReservation(self, day, caller_owner, budgets, owners, model, tokens)

        def work() -> Transaction[LimitUse | None]:
            old = Statement("DELETE FROM model_usage WHERE day < ?", (oldest,))
            old_raises = Statement("DELETE FROM budget_raises WHERE day < ?", (oldest,))
            old_notices = Statement("DELETE FROM budget_notices WHERE day < ?", (oldest,))
            yield [old, old_raises, old_notices]
            for use in (yield from self.uses(day, budgets)):
                if use.used >= use.most:
                    return use
            yield from reservation.added(tokens, 0)
            return None

        spent = await self.database.write(work)
        if spent is not None:
            raise await self._refusal(caller, spent, now)
        return reservation

    def uses(self, day: str, budgets: Sequence[Budget]) -> Transaction[list[LimitUse]]:
        """How much is used of each limit of `budgets` on `day`."""
        limited = [budget for budget in budgets if budget.limits]
        if not limited:
            return []
        counted = yield [Statement(OF_DAY, (day, budget.owner)) for budget in limited]
        uses: list[LimitUse] = []
        for budget, rows in zip(limited, counted, strict=True):
            uses += yield from self._uses_of(day, budget, rows)
        return uses

    def _uses_of(self, day: str, budget: Budget, rows: Rows) -> Transaction[list[LimitUse]]:
        usage = usage_of(rows, self.prices)
        raised = yield from self._raised(day, budget)
        uses: list[LimitUse] = []
        for limit in budget.limits:
            used = usage.cost if limit.of_cost else Decimal(usage.tokens)
            raises = [more.amount for more in raised if more.setting == limit.setting]
            uses.append(LimitUse(budget, limit, used, limit.most + sum(raises)))
        return uses

    def _raised(self, day: str, budget: Budget) -> Transaction[list[LimitRaise]]:
        if self.raises is None:
            return []
        return (yield from self.raises.store.counted(day, budget.owner))

    async def _refusal(self, caller: VerifiedAccessToken, spent: LimitUse, now: datetime) -> LimitError:
        """Why no response is requested; an approver is asked, if there is one."""
        limit = spent.limit
        what = "of money" if limit.of_cost else "tokens"
        text = f"{_number(spent.used)} {what} of {_number(spent.most)} are used today (UTC)"
        question = None
        if self.raises is not None:
            question = await self.raises.ask(caller, spent.budget, limit, now)
        if question is not None:
            return RaiseAskedError(text, question, settings=[limit.setting], retry_after=_ASKED_SECONDS)
        midnight = _DAY_SECONDS - self.clock() % _DAY_SECONDS
        return LimitError(AgentCode.BUDGET_SPENT, text, settings=[limit.setting], retry_after=midnight)


@dataclass(frozen=True, slots=True)
class DailyReservation:
    """A `Reservation` of so many `tokens` of a prompt, which counts for the day on which it was made, under
    each of `owners`. The caller, who has the digest `caller`, is told which limits of `budgets` are near.
    """

    budget: DailyBudget
    day: str
    caller: str
    budgets: Sequence[Budget]
    owners: Sequence[str]
    model: str
    tokens: int

    async def settle(self, used: UsageMetadata) -> None:
        """See `Reservation`.

        That the caller is told is kept before they are, so that it is at most once over all processes.
        """
        percent = self.budget.near_percent if is_heard() else 0

        def work() -> Transaction[list[LimitUse]]:
            yield from self.added(used["input_tokens"] - self.tokens, used["output_tokens"])
            if not percent:
                return []
            uses = yield from self.budget.uses(self.day, self.budgets)
            return (yield from newly_near(self.day, self.caller, uses, percent))

        for use in await self.budget.database.write(work):
            tell_near(use)

    def added(self, inward: int, outward: int) -> Transaction[None]:
        """Adds to the counts of the day, none of which is below 0: a row may have been erased meanwhile."""
        counted = max(inward, 0), outward, inward
        yield [Statement(_ADD, (self.day, owner, self.model, *counted)) for owner in self.owners]


def _number(number: Decimal) -> str:
    return f"{number.normalize():f}"


def daily_budget(parts: ServiceParts, storage: ConversationStorage | None) -> DailyBudget | None:
    """The budget that the settings want, which is counted in `storage`."""
    if storage is None or not is_counted(parts.settings):
        return None
    variables = parts.settings.of(BudgetVariables)
    return DailyBudget(
        storage.database,
        parts.clock,
        daily_limits(parts.settings),
        variables.model_prices or {},
        budget_raises(parts, storage),
        variables.budget_notice_percent,
    )
