"""Decisions by a policy file of twenty rules: one evaluation, and all that an ask needs."""

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.micro import RowCases, Timed, micro, timed
from benchmarks.processes import ROOT
from benchmarks.report import Figure, at_most
from graph.approvals.policy import Facts
from plugins.policy.decision import decide
from plugins.policy.rules import END, read_rules
from plugins.policy.schema import ToolAction, Vocabulary
from plugins.policy.situation import Situation
from tools.approval_policy import Effect

_RULES = (
    (ROOT / "plugins" / "policy" / "README.md")
    .read_text(encoding="utf-8")
    .partition("```cedar\n")[2]
    .partition("```")[0]
)
_AMOUNT = {"amount": {"type": "number"}, "reason": {"type": "string"}}
_ACTIONS = [
    ToolAction(
        "expenses",
        "submit_expense",
        Effect.WRITE,
        {"type": "object", "properties": _AMOUNT, "required": ["amount"]},
    ),
    ToolAction("expenses", "pay_out", Effect.WRITE, {"type": "object", "properties": {}}),
]
_VOCABULARY = Vocabulary(
    actions={each.name: each for each in _ACTIONS},
    names=frozenset(),
    listing=frozenset(),
    services=("expenses",),
    groups=frozenset({"staff", "finance"}),
    attributes=("department",),
    counts=True,
)
_MORE = 'forbid (principal, action in Action::"write", resource) when { context.now.minute == %d };\n'


def _decided(amount: float) -> Timed:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policy.cedar"
        file.write_text(_RULES.removesuffix(f"{END}\n") + "".join(_MORE % n for n in range(14)) + END)
        rules = read_rules(file, _VOCABULARY)
    of_tool = rules.of(_ACTIONS[0])
    situation = Situation(
        subject="alice",
        groups=frozenset({"staff"}),
        claims={"department": "sales"},
        identity="Human",
        arguments={"amount": amount, "reason": "train"},
        now=datetime(2026, 11, 27, 10, tzinfo=UTC),
        calls=1,
        amount=round(amount * 10_000),
    )
    return timed(partial(decide, of_tool.enforced, of_tool, situation, Facts()))


CASES: RowCases = {"policy": {"allowed": partial(_decided, 20.0), "asked": partial(_decided, 6000.0)}}


def policy(bench: Bench) -> Iterable[Figure]:
    """A call that is allowed is evaluated once; one that needs four eyes three times. A chat without calls
    makes no decision.
    """
    times = micro("policy", bench.plan)
    yield Figure("a call is allowed by 20 rules", "µs", times["allowed"], target=at_most(100.0))
    yield Figure("what a call asks is found", "µs", times["asked"], target=at_most(1000.0))
