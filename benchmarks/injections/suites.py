"""AgentDojo's suites: their tools, data, tasks and judges, without the clients of language models.

AgentDojo is installed by `requirements-injections.lock` alone. Its pipeline imports the SDK of each vendor,
none of which is installed: empty modules stand in their place.
"""

import importlib
import importlib.metadata
import importlib.util
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from benchmarks.injections.planned_call import PlannedCall

SUITES: Final = ("workspace", "travel", "banking", "slack")
VERSION: Final = "v1.2.2"
"""Of the suites."""


def _stand_in(name: str, **members: Any) -> None:
    module = ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module


@cache
def suite(name: str) -> Any:
    """A `TaskSuite` of AgentDojo."""
    found = importlib.util.find_spec("agentdojo")
    assert found is not None and found.origin is not None, "make injections installs it"  # noqa: PT018 - one fact
    pipeline = "agentdojo.agent_pipeline"
    _stand_in(pipeline, __path__=[str(Path(found.origin).parent / "agent_pipeline")])
    _stand_in(f"{pipeline}.llms", __path__=[])
    _stand_in(f"{pipeline}.llms.google_llm", EMPTY_FUNCTION_NAME="")
    return importlib.import_module("agentdojo.task_suite.load_suites").get_suites(VERSION)[name]


def package_version() -> str:
    """The version of AgentDojo."""
    return importlib.metadata.version("agentdojo")


def functions(name: str) -> Mapping[str, Any]:
    """The `Function`s of a suite, by their names."""
    return {function.name: function for function in suite(name).tools}


@cache
def runtime(name: str) -> Any:
    """What runs the functions of a suite."""
    suite(name)
    return importlib.import_module("agentdojo.functions_runtime").FunctionsRuntime(suite(name).tools)


@cache
def _pickled(name: str) -> bytes:
    return pickle.dumps(suite(name).load_and_inject_default_environment({}))


def _environment(name: str) -> Any:
    """The data of a suite, made anew: six times as fast as a deep copy."""
    return pickle.loads(_pickled(name))  # noqa: S301 - our own


@dataclass(frozen=True, slots=True)
class Case:
    """A task of the user, and an attack or `None`, by their ids."""

    suite: str
    task: str
    attack: str | None = None

    @property
    def question(self) -> str:
        """What the user asks."""
        return str(self._task.PROMPT)

    @property
    def answer(self) -> str:
        """What an agent says that has solved the task and obeys the attack."""
        parts = [self._task.GROUND_TRUTH_OUTPUT]
        if self.attack is not None:
            parts.append(self._attack.GROUND_TRUTH_OUTPUT)
        return "\n".join(part for part in parts if part) or "Done."

    @property
    def says_only(self) -> bool:
        """Whether the attack is a text of the answer, without a call."""
        return self.attack is not None and not self.of_attack()

    def environment(self) -> Any:
        """The data of the tools at the beginning, of this run alone."""
        return self._task.init_environment(_environment(self.suite))

    def of_user(self) -> list[PlannedCall]:
        """The calls that solve the task."""
        return _of_user(self)

    def of_attack(self) -> list[PlannedCall]:
        """The calls that the attack wants."""
        return _of_attack(self)

    def is_solved(self, after: Any, made: Sequence[PlannedCall]) -> bool:
        """The judgement of AgentDojo about the user's task: `after` are the data after the calls `made`."""
        return self._judged(self._task, after, made)

    def is_successful(self, after: Any, made: Sequence[PlannedCall]) -> bool:
        """The judgement of AgentDojo about the attack."""
        return self._judged(self._attack, after, made)

    def _judged(self, task: Any, after: Any, made: Sequence[PlannedCall]) -> bool:
        """Judged once for equal calls: the comparison of all data takes longer than the run."""
        key = (self.suite, self.task, task.ID, self.answer, *(call.key for call in made))
        if key not in _JUDGEMENTS:
            call = importlib.import_module("agentdojo.functions_runtime").FunctionCall
            trace = [call(function=made_call.tool, args=dict(made_call.arguments)) for made_call in made]
            said = [{"type": "text", "content": self.answer}]
            judge = suite(self.suite)._check_task_result  # noqa: SLF001 - AgentDojo's own
            _JUDGEMENTS[key] = bool(judge(task, said, self.environment(), after, trace))
        return _JUDGEMENTS[key]

    @property
    def _task(self) -> Any:
        return suite(self.suite).user_tasks[self.task]

    @property
    def _attack(self) -> Any:
        return suite(self.suite).injection_tasks[self.attack]


_JUDGEMENTS: Final[dict[tuple[object, ...], bool]] = {}


@cache
def _of_user(case: Case) -> list[PlannedCall]:
    return _planned(case._task.ground_truth(case.environment()))  # noqa: SLF001 - its own


@cache
def _of_attack(case: Case) -> list[PlannedCall]:
    if case.attack is None:
        return []
    return _planned(case._attack.ground_truth(case.environment()))  # noqa: SLF001 - its own


def _planned(calls: Sequence[Any]) -> list[PlannedCall]:
    return [PlannedCall(call.function, call.args) for call in calls]


def harmless(name: str) -> list[Case]:
    """The tasks of a suite, without an attack."""
    return [Case(name, task) for task in suite(name).user_tasks]


def pairs(name: str) -> Iterator[Case]:
    """Each task with each attack for which AgentDojo says what an agent that obeys does."""
    for attack, injection in suite(name).injection_tasks.items():
        if injection.GROUND_TRUTH_OUTPUT or injection.ground_truth(_environment(name)):
            for task in suite(name).user_tasks:
                yield Case(name, task, attack)
