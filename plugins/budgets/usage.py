"""What was used of the models in a day, by the counts in the database, and as facts for policies."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from agent.composition.facts_of_today import Fact, ReadFacts
from agent.composition.installed_policies import PolicyParts
from agent.conversations.database.database import Database, Rows, query
from agent.conversations.storage import ConversationStorage
from agent.conversations.thread import owner_digest
from agent.settings.settings import Settings
from identity.principal import Principal
from plugins.budgets.limits import daily_limits
from plugins.budgets.prices import Prices, price_of
from plugins.budgets.variables import BudgetVariables

OF_DAY: Final = "SELECT model, input_tokens, output_tokens FROM model_usage WHERE day = ? AND owner = ?"
"""The rows of `usage_of`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, in and out, and their cost by the prices of now, exactly."""

    tokens: int
    cost: Decimal


def usage_of(rows: Rows, prices: Prices) -> Usage:
    """That of the rows of one owner and day."""
    costs = (price_of(model, prices).cost(inward, outward) for model, inward, outward in rows)
    return Usage(sum(inward + outward for _, inward, outward in rows), sum(costs, Decimal(0)))


def day_of(clock: Callable[[], float]) -> datetime:
    """Now, in the time zone in which days end."""
    return datetime.fromtimestamp(clock(), UTC)


def is_counted(settings: Settings) -> bool:
    """Whether what callers use is counted: a limit needs it, or the operator wants it for policies."""
    return bool(daily_limits(settings)) or settings.of(BudgetVariables).count_model_usage


@dataclass(frozen=True, slots=True)
class UsageReader:
    """The facts of a caller's day, responses in progress included by their prompts."""

    database: Database
    clock: Callable[[], float]
    prices: Prices

    async def __call__(self, principal: Principal) -> Mapping[str, Fact]:
        """`tokens`, and with prices `cost`. Raises `UnavailableError`."""
        day = day_of(self.clock).date().isoformat()
        rows: Rows = await self.database.read(lambda: query(OF_DAY, day, owner_digest(principal)))
        usage = usage_of(rows, self.prices)
        facts: dict[str, Fact] = {"tokens": usage.tokens}
        if self.prices:
            facts["cost"] = usage.cost
        return facts


class UsageFacts:
    """The `FactsOfToday` of what a caller has used, where that is counted."""

    def kinds(self, settings: Settings) -> Mapping[str, type[Fact]]:
        """See `FactsOfToday`."""
        if not is_counted(settings):
            return {}
        has_prices = bool(settings.of(BudgetVariables).model_prices)
        return {"tokens": int, "cost": Decimal} if has_prices else {"tokens": int}

    def reader(self, parts: PolicyParts, storage: ConversationStorage) -> ReadFacts:
        """See `FactsOfToday`."""
        prices = parts.settings.of(BudgetVariables).model_prices or {}
        return UsageReader(storage.database, parts.clock, prices)


USAGE_FACTS: Final = UsageFacts()
