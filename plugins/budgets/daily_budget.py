"""Counts the tokens of each user in a day, over all processes, and refuses more than a budget."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from langchain_core.messages.ai import UsageMetadata

from agent.composition.service_parts import ServiceParts
from agent.conversations.database.database import Database, Rows, Transaction, query
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from agent.errors.error_codes import AgentCode
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import LimitError
from plugins.budgets.prices import Prices, price_of
from plugins.budgets.variables import BudgetVariables

_DAY_SECONDS: Final = 86_400.0
_KEPT: Final = timedelta(days=2)
_ADD: Final = """
    INSERT INTO model_usage (day, owner, model, input_tokens, output_tokens) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (day, owner, model) DO UPDATE
            SET input_tokens = model_usage.input_tokens + ?,
                output_tokens = model_usage.output_tokens + excluded.output_tokens
"""
_OF_DAY: Final = "SELECT model, input_tokens, output_tokens FROM model_usage WHERE day = ? AND owner = ?"


@dataclass(frozen=True, slots=True)
class DailyBudget:
    """A `ModelBudget` of each user, or client that calls as itself, and day (UTC), in the database of
    conversations.

    Guaranteed: the prompt of a response is counted before it is requested, by an estimate, and what the
    response has used in its place when it has ended, once, whatever happens to the process between; the next
    request after a budget is used up is refused, in every process. Not bounded: the responses that are
    requested at the same time, beyond their prompts, and the size of the last one. Not counted: what a
    process had received of a response when it was killed.
    """

    database: Database
    clock: Callable[[], float]
    _: KW_ONLY
    tokens: int | None = None
    cost: Decimal | None = None
    prices: Prices

    async def reserve(self, caller: VerifiedAccessToken, model: str, tokens: int) -> "DailyReservation":
        """See `ModelBudget`."""
        today = datetime.fromtimestamp(self.clock(), UTC)
        day, oldest = (time.date().isoformat() for time in (today, today - _KEPT))
        reservation = DailyReservation(self.database, day, owner_digest(caller.principal), model, tokens)

        def work() -> Transaction[None]:
            yield from query("DELETE FROM model_usage WHERE day < ?", oldest)
            rows = yield from query(_OF_DAY, day, reservation.owner)
            self._check(rows)
            yield from reservation.added(tokens, 0)

        await self.database.write(work)
        return reservation

    def _check(self, rows: Rows) -> None:
        """Raises `LimitError` if `rows`, those of a day, are as much as a budget."""
        tokens = sum(inward + outward for _, inward, outward in rows)
        if self.tokens is not None and tokens >= self.tokens:
            raise _spent(f"{tokens} tokens of {self.tokens}", "MAX_TOKENS_FOR_USER_A_DAY", self.clock())
        costs = (price_of(model, self.prices).cost(inward, outward) for model, inward, outward in rows)
        cost = sum(costs, Decimal(0))
        if self.cost is not None and cost >= self.cost:
            raise _spent(f"{cost.normalize():f} of {self.cost}", "MAX_COST_FOR_USER_A_DAY", self.clock())


@dataclass(frozen=True, slots=True)
class DailyReservation:
    """A `Reservation` of so many `tokens` of a prompt, which counts for the day on which it was made."""

    database: Database
    day: str
    owner: str
    model: str
    tokens: int

    async def settle(self, used: UsageMetadata) -> None:
        """See `Reservation`."""
        await self.database.write(
            lambda: self.added(used["input_tokens"] - self.tokens, used["output_tokens"])
        )

    def added(self, inward: int, outward: int) -> Transaction[None]:
        """Adds to the count of the day, which is not below 0: its row may have been erased meanwhile."""
        yield from query(_ADD, self.day, self.owner, self.model, max(inward, 0), outward, inward)


def _spent(of: str, setting: str, now: float) -> LimitError:
    text = f"the caller has used {of} today (UTC)"
    midnight = _DAY_SECONDS - now % _DAY_SECONDS
    return LimitError(AgentCode.BUDGET_SPENT, text, settings=[setting], retry_after=midnight)


def daily_budget(parts: ServiceParts, storage: ConversationStorage | None) -> DailyBudget | None:
    """The budget that the settings want, which is counted in `storage`."""
    variables = parts.settings.of(BudgetVariables)
    tokens = variables.max_tokens_for_user_a_day
    cost = variables.max_cost_for_user_a_day
    if storage is None or (tokens is None and cost is None):
        return None
    return DailyBudget(
        storage.database, parts.clock, tokens=tokens, cost=cost, prices=variables.model_prices or {}
    )
