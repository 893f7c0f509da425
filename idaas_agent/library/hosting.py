"""A server that runs the application's graph, as the library sees it: it verifies, keeps and counts for both.

The graph is the application's, and so are its tools. Whose rights a call uses, where questions are kept and
what a run may do is the server's. Each run has the server's context of it in its configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from graph.approvals.policies import Policies
from graph.approvals.record import PendingApproval
from graph.call_measures import CallMeasures
from graph.call_steps.budget import CallBudget
from graph.call_steps.fence import FenceStep
from graph.call_steps.stops import Stops
from graph.context import AgentContext
from idaas_agent.library.stored_approvals import KeptCalls
from identity.parts import IdentityParts

RUN: Final = "__idaas_agent_run"
"""In the configuration of a run, the server's context of it. LangGraph and LangSmith store no name that
begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The server's parts. In `folder`, that of the graph's module, a file is looked for which the working
    directory does not have. `kept` is where questions and beginnings of calls are kept; `None`: no run can
    pause. Of a run, `budget` bounds the calls. `announce` hears of each question.
    """

    parts: IdentityParts
    folder: Path = Path()
    kept: KeptCalls | None = None
    person: Callable[[Policies], Policies] | None = None
    """Answers what the policies ask, in a test."""
    budget: CallBudget | None = None
    fence: FenceStep | None = None
    stops: Stops | None = None
    """The calls that an operator has stopped."""
    announce: Callable[[PendingApproval], None] | None = None
    measures: CallMeasures = field(default_factory=CallMeasures)


def run_of(configurable: Mapping[str, Any]) -> AgentContext | None:
    """The server's context of the run; `None`: no server runs the graph. A client writes no configuration."""
    run = configurable.get(RUN)
    return run if isinstance(run, AgentContext) else None
