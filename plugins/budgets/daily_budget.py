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
            SET input_tokens = model_usage.input_tokens + excluded.input_tokens,
                output_tokens = model_usage.output_tokens + excluded.output_tokens
"""
_OF_DAY: Final = "SELECT model, input_tokens, output_tokens FROM model_usage WHERE day = ? AND owner = ?"


@dataclass(frozen=True, slots=True)
class DailyBudget:
    """A `ModelBudget` of each user, or client that calls as itself, and day (UTC), in the database of
    conversations.

    Guaranteed: a response that has arrived is counted before its run goes on, once, whatever happens to the
    process then; the next request after a budget is used up is refused, in every process. Not bounded: the
    responses that are requested at the same time, and the size of the last one. Estimated: the
    tokens of a response whose service does not report them. Not counted: one that has not arrived whole.
    """

    database: Database
    clock: Callable[[], float]
    _: KW_ONLY
    tokens: int | None = None
    cost: Decimal | None = None
    prices: Prices

    async def check(self, caller: VerifiedAccessToken) -> None:
        """See `ModelBudget`."""
        day = self._day().date().isoformat()
        rows: Rows = await self.database.read(lambda: query(_OF_DAY, day, owner_digest(caller.principal)))
        tokens = sum(inward + outward for _, inward, outward in rows)
        if self.tokens is not None and tokens >= self.tokens:
            raise _spent(f"{tokens} tokens of {self.tokens}", "MAX_TOKENS_FOR_USER_A_DAY", self.clock())
        costs = (price_of(model, self.prices).cost(inward, outward) for model, inward, outward in rows)
        cost = sum(costs, Decimal(0))
        if self.cost is not None and cost >= self.cost:
            raise _spent(f"{cost.normalize():f} of {self.cost}", "MAX_COST_FOR_USER_A_DAY", self.clock())

    async def add(self, caller: VerifiedAccessToken, model: str, used: UsageMetadata) -> None:
        """See `ModelBudget`."""
        now = self._day()
        day, oldest = (time.date().isoformat() for time in (now, now - _KEPT))
        owner = owner_digest(caller.principal)

        def work() -> Transaction[None]:
            yield from query("DELETE FROM model_usage WHERE day < ?", oldest)
            yield from query(_ADD, day, owner, model, used["input_tokens"], used["output_tokens"])

        await self.database.write(work)

    def _day(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)


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
