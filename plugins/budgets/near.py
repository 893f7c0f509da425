"""Tells a caller, once a day for each limit, that most of it is used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from agent.conversations.database.database import Statement, Transaction
from graph.notices import tell
from identity.printable import printable_line
from plugins.budgets.limits import Budget, BudgetOf, Limit

_WHOLE: Final = 100
_MOST_PERCENT: Final = 10**6
"""What is told of a limit that is exceeded many times over."""
_MARK: Final = """
    INSERT INTO budget_notices (day, owner, budget, setting) VALUES (?, ?, ?, ?)
        ON CONFLICT (day, owner, budget, setting) DO NOTHING RETURNING setting
"""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """So much is `used` of `limit`, which with what it is raised by allows `most`."""

    budget: Budget
    limit: Limit
    used: Decimal
    most: Decimal

    @property
    def percent(self) -> int:
        """How much of it is used, rounded down."""
        if self.most <= 0:
            return _MOST_PERCENT
        share = (self.used * _WHOLE / self.most).to_integral_value(ROUND_FLOOR)
        return int(min(share, Decimal(_MOST_PERCENT)))


def newly_near(day: str, owner: str, uses: Iterable[LimitUse], percent: int) -> Transaction[list[LimitUse]]:
    """Those of `uses` of which `percent` are used, and of which the caller `owner`, a digest, is not told on
    `day` yet; from now on they are.
    """
    near = [use for use in uses if use.percent >= percent]
    if not near:
        return []
    marks = [Statement(_MARK, (day, owner, use.budget.owner, use.limit.setting)) for use in near]
    marked: Sequence[Sequence[object]] = yield marks
    return [use for use, rows in zip(near, marked, strict=True) if rows]


def tell_near(use: LimitUse) -> None:
    """Says it to the caller of the run, without the limit itself, which their operator may not want known."""
    budget = use.budget
    unit = "money" if use.limit.of_cost else "tokens"
    what = "what the models may cost today (UTC)" if use.limit.of_cost else "the tokens of today (UTC)"
    name = printable_line(budget.of_name)
    code = f"budget_near_{budget.of}_{unit}"
    if budget.of is BudgetOf.USER:
        tell(code, f"You have used {use.percent} % of {what}.", percent=use.percent)
        return
    text = f"The {budget.of} {name} has used {use.percent} % of {what}."
    tell(code, text, percent=use.percent, name=name)
