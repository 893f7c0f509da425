"""A budget of 1,000 tokens for each user and day, which approvers may raise by a half."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agent.conversations.database.database import Database
from agent.conversations.encryption.encryption import Encryption
from identity.audit.trail import AuditTrail
from identity.errors import LimitError
from plugins.budgets.daily_budget import DailyBudget
from plugins.budgets.limit_raise import RaiseAskedError
from plugins.budgets.limits import DailyLimits, Limit
from plugins.budgets.prices import prices_of
from plugins.budgets.raise_store import RaiseStore
from plugins.budgets.raises import BudgetRaises
from plugins.budgets.tests.users import caller, used
from tests.audit_records import AuditRecords
from tests.clock import Clock

NOON = 1_800_014_400.0
DAY = 86_400.0
TOKENS = Limit("MAX_TOKENS_FOR_USER_A_DAY", Decimal(1000))
COST = Limit("MAX_COST_FOR_USER_A_DAY", Decimal(2), of_cost=True)
PRICES = prices_of("qwen-plus=1000/1000")
ALICE = caller("alice")
BOB = caller("bob")
LEAD = caller("lead", groups=("leads",))


@dataclass
class Replica:
    """One process of the agent, with its records."""

    database: Database
    clock: Clock = field(default_factory=lambda: Clock(NOON))
    limits: tuple[Limit, ...] = (TOKENS,)
    approvers: str = "leads"
    percent: int = 50
    encryption: Encryption = field(default_factory=lambda: Encryption(None))
    of_groups: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    records: AuditRecords = field(default_factory=AuditRecords)
    announced: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        store = RaiseStore(self.database, self.encryption)
        trail = AuditTrail(self.records, clock=self.clock)
        announce = self.announced.append
        self.raises = BudgetRaises(store, trail, self.clock, self.approvers, self.percent, "groups", announce)
        limits = DailyLimits(self.limits, of_groups=self.of_groups)
        self.budget = DailyBudget(self.database, self.clock, limits, PRICES, self.raises)

    async def use(self, who: Any, tokens: int) -> None:
        """A response that has used so many tokens."""
        reserved = await self.budget.reserve(who, "qwen-plus", 0)
        await reserved.settle(used(tokens, 0))

    async def refusal(self, who: Any = ALICE) -> LimitError | None:
        """Why `who` gets no further response, if they get none."""
        try:
            reserved = await self.budget.reserve(who, "qwen-plus", 0)
        except LimitError as error:
            return error
        await reserved.settle(used(0, 0))
        return None

    async def asked(self, who: Any = ALICE) -> str:
        """The id of the question, once `who` has used up what they may."""
        await self.use(who, 1000)
        refused = await self.refusal(who)
        assert isinstance(refused, RaiseAskedError), refused
        return refused.question

    async def left(self, who: Any = ALICE) -> int:
        """How many further tokens `who` may use, up to 10,000; they use them."""
        tokens = 0
        while tokens < 10_000 and await self.refusal(who) is None:
            await self.use(who, 100)
            tokens += 100
        return tokens
