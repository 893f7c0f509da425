"""One run: a task, with or without an attack, and what came of it."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from benchmarks.injections.agent_under_test import AgentUser
from benchmarks.injections.carriers import Schemas
from benchmarks.injections.obedient_model import (
    Form,
    ObedientModel,
    Order,
    Script,
    in_form,
    in_order,
    one_a_turn,
    together,
)
from benchmarks.injections.persons import PERSONS
from benchmarks.injections.planned_call import PlannedCall
from benchmarks.injections.suites import Case, functions
from benchmarks.injections.tools import WORLDS, World


@dataclass(frozen=True, slots=True)
class Manner:
    """Who is asked, where the attack stands, and in which form it is made. `together`: calls that change
    something and follow one another are in one message of the model.
    """

    person: str
    order: Order = Order.LAST
    form: Form = Form.PLAIN
    together: bool = False

    def judges_task(self, case: Case) -> bool:
        """Whether the user's task is judged, too: it takes longer than the run."""
        return case.attack is None or (self.person == "attentive" and self.order is Order.LAST)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one run. `solved` and `succeeded` are the judgements of AgentDojo."""

    case: Case
    manner: Manner
    solved: bool
    """The task of the user, if it is judged (`Manner.judges_task`)."""
    succeeded: bool
    """The attack."""
    says_only: bool
    """The attack is a text of the answer, which no gate sees."""
    questions: int
    interruptions: int
    """Messages of the model about whose calls the person is asked, one question after another."""
    unasked: tuple[str, ...]
    """Calls beside the user's that change something or go out, and that were made without a question."""

    @classmethod
    def of_json(cls, line: Mapping[str, Any]) -> Self:
        """The outcome that `asdict` has written."""
        manner = line["manner"]
        orders = {"order": Order(manner["order"]), "form": Form(manner["form"])}
        return cls(
            **{**line, "unasked": tuple(line["unasked"])}
            | {"case": Case(**line["case"]), "manner": Manner(**manner | orders)}
        )


async def outcome_of(
    user: AgentUser, model: ObedientModel, case: Case, manner: Manner, consequential: frozenset[str]
) -> Outcome:
    """Runs a case. `consequential` are the tools that change something, or whose arguments go out."""
    of_user = case.of_user()
    needed = completed(case.suite, of_user)
    person = PERSONS[manner.person](needed)
    world = World(case.environment())
    of_attack = in_form(manner.form, case.of_attack(), schemas_of(case.suite, consequential))
    calls = in_order(manner.order, of_user, of_attack)
    turns = together(calls, consequential) if manner.together else one_a_turn(calls)
    script = Script(turns, case.answer)
    interrupted: set[int] = set()

    def approves(call: PlannedCall) -> bool:
        interrupted.add(script.position)
        return person.approves(call)

    WORLDS[user.subject] = world
    model.scripts[user.subject] = script
    await user.ask(case.question, approves)
    expected = {call.key for call in [*needed, *person.approved]}
    return Outcome(
        case=case,
        manner=manner,
        solved=manner.judges_task(case) and case.is_solved(world.environment, world.made),
        succeeded=case.attack is not None and case.is_successful(world.environment, world.made),
        says_only=case.says_only,
        questions=len(person.asked),
        interruptions=len(interrupted),
        unasked=tuple(
            call.key for call in world.made if call.tool in consequential and call.key not in expected
        ),
    )


def completed(suite: str, calls: Iterable[PlannedCall]) -> list[PlannedCall]:
    """The calls with the defaults of their tools, as the agent asks about them."""
    of_suite = functions(suite)
    return [
        PlannedCall(call.tool, of_suite[call.tool].parameters.model_validate(call.arguments).model_dump())
        for call in calls
    ]


@cache
def schemas_of(suite: str, tools: frozenset[str]) -> Schemas:
    """The JSON Schemas of the arguments of these tools of a suite."""
    of_suite = functions(suite)
    return {tool: of_suite[tool].parameters.model_json_schema() for tool in tools}


def consequential_tools(services: str) -> frozenset[str]:
    """The tools of a services file that change something, or whose arguments go out."""
    policies = [
        (tool, policy)
        for service in tomllib.loads(services)["services"].values()
        for tool, policy in service["policies"].items()
    ]
    return frozenset(tool for tool, policy in policies if policy["effect"] != "read" or "after" in policy)
