"""Which of LangChain's middleware works: all that it exports, as the table of docs/middleware.md says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NotRequired

import pytest
from langchain.agents import middleware as published
from langchain.agents.middleware import AgentMiddleware, AgentState, ModelCallLimitMiddleware, before_model
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.memory import InMemorySaver

from graph.build import build_graph
from graph.nodes.operator_code import GraphDefinitionError
from identity.errors import InternalError
from tests.graph.bench import AMAP_KEY, bench
from tests.graph.echo_service import EchoService
from tests.graph.nodes.test_middleware import using
from tests.graph.scripted_model import calls

DONE = AIMessage("done", id="m1")
PAGE = (Path(__file__).parents[3] / "docs" / "middleware.md").read_text()
ROWS = {
    name: (verdict, why)
    for name, verdict, why in re.findall(r"^\| `(\w+)` \| (\w+) \| (.+) \|$", PAGE, re.MULTILINE)
}
MODEL = FakeListChatModel(responses=["x"])
CLASSIFIER: Any = object()
MADE: dict[str, Callable[[Any, Path], Any]] = {
    "AutoModeMiddleware": lambda kind, _: kind(tools=["pay"], classifier=CLASSIFIER),
    "FilesystemFileSearchMiddleware": lambda kind, folder: kind(root_path=str(folder)),
    "HumanInTheLoopMiddleware": lambda kind, _: kind({"pay": True}),
    "LLMToolEmulator": lambda kind, _: kind(model=MODEL),
    "LLMToolSelectorMiddleware": lambda kind, _: kind(model=MODEL),
    "ModelCallLimitMiddleware": lambda kind, _: kind(run_limit=1),
    "ModelFallbackMiddleware": lambda kind, _: kind(MODEL),
    "ModelRouterMiddleware": lambda kind, _: kind(
        choices={"one": published.ModelChoice(MODEL, "any")}, instructions="Choose.", classifier=CLASSIFIER
    ),
    "PIIMiddleware": lambda kind, _: kind("email"),
    "SummarizationMiddleware": lambda kind, _: kind(MODEL, trigger=("tokens", 10)),
    "ToolCallLimitMiddleware": lambda kind, _: kind(run_limit=1),
    "ToolErrorMiddleware": lambda kind, _: kind(lambda error: str(error)),
}
"""Those that need an argument."""


def exported() -> dict[str, type[AgentMiddleware]]:
    """All middleware that the installed LangChain exports, by name."""
    kinds = {name: getattr(published, name) for name in published.__all__}
    return {
        name: kind
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, AgentMiddleware) and kind is not AgentMiddleware
    }


def fault_of(middleware: Any) -> str:
    """Why the graph cannot be built with `middleware`; empty if it can."""
    try:
        bench([DONE], build=using(middleware))
    except GraphDefinitionError as error:
        return str(error)
    return ""


def test_table_has_all_that_langchain_exports() -> None:
    assert sorted(ROWS) == sorted(exported())


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
@pytest.mark.parametrize("name", exported())
def test_middleware_works_or_is_refused_as_the_table_says(name: str, tmp_path: Path) -> None:
    kind = exported()[name]
    made = MADE.get(name, lambda kind, _: kind())(kind, tmp_path)
    verdict, why = ROWS[name]
    fault = fault_of(made)
    assert bool(fault) == (verdict == "refused"), fault
    for reason in fault.removeprefix(f'middleware "{made.name}" ').split("; it "):
        subject = reason.partition(":")[0].partition(",")[0]
        assert subject in why


def test_limit_of_a_thread_is_refused_because_what_is_counted_lasts_for_a_run() -> None:
    assert "only run_limit holds" in fault_of(ModelCallLimitMiddleware(thread_limit=3, run_limit=1))


def test_each_reason_is_named_once_and_no_reason_stands_for_another() -> None:
    class Counted(AgentState):
        count: NotRequired[int]

    class All(AgentMiddleware):
        state_schema = Counted
        tools = (object(),)  # type: ignore[assignment]  # no tool on purpose

        def before_agent(self, state: Any, runtime: Any) -> None: ...

        async def awrap_tool_call(self, request: Any, handler: Any) -> Any: ...

        def wrap_model_call(self, request: Any, handler: Any) -> Any: ...

    reasons = fault_of(All()).removeprefix('middleware "All" ').split("; it ")
    begins = [
        "has tools:",
        "has a state of its own (count)",
        "has before_agent:",
        "has wrap_model_call without",
    ]
    assert len(reasons) == len(begins)
    assert [
        reason for reason, begin in zip(reasons, begins, strict=True) if not reason.startswith(begin)
    ] == []


async def test_limit_of_model_calls_holds_for_a_run_and_begins_anew_with_the_next() -> None:
    b = bench(
        [calls(("weather", {}))] * 9,
        EchoService("amap", AMAP_KEY, weather="sunny"),
        build=using(ModelCallLimitMiddleware(run_limit=2)),
        checkpointer=InMemorySaver(),
    )
    config = {"configurable": {"thread_id": "t1"}}
    for run in (1, 2):
        messages = await b.ask(config=config)
        assert "limits exceeded" in messages[-1].text
        assert len(b.model.asked) == 2 * run


class Counting(AgentMiddleware):
    """Counts the responses of a run, under a key of its own."""

    class Counted(AgentState):
        count: NotRequired[int]
        said: NotRequired[Any]

    state_schema = Counted

    def __init__(self, said: Any = None) -> None:
        super().__init__()
        self.said = said
        self.counts: list[int] = []

    async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any]:  # noqa: ARG002 - passed by name
        self.counts.append(state.get("count", 0) + 1)
        return {"count": self.counts[-1], "said": self.said or state["messages"][-1].text}


async def test_state_of_middleware_lasts_for_a_run_and_not_for_what_an_own_node_asks() -> None:
    counting = Counting()

    async def own(state: Any, runtime: Any) -> None:
        await runtime.context.ask([("user", "Who?")])

    def build(parts: Any) -> Any:
        graph = build_graph(parts, first="own", middleware=[counting])
        graph.add_node("own", own)
        return graph.add_edge("own", "credentials")

    turns = [DONE, calls(("weather", {})), calls(("weather", {})), DONE]
    b = bench([*turns, *turns], EchoService("s", weather="sunny"), build=build, checkpointer=InMemorySaver())
    for _ in range(2):
        await b.ask(config={"configurable": {"thread_id": "t1"}})
    assert counting.counts == [1, 1, 2, 3] * 2


async def test_what_an_earlier_run_has_kept_is_not_there_in_any_response_of_the_next() -> None:
    read: list[Any] = []

    class OnlyFirst(Counting):
        async def aafter_model(self, state: Any, runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - passed by name
            read.append(state.get("count"))
            return {"count": 1} if len(read) == 1 else None

    b = bench(
        [DONE, calls(("weather", {})), DONE],
        EchoService("s", weather="sunny"),
        build=using(OnlyFirst()),
        checkpointer=InMemorySaver(),
    )
    for _ in range(2):
        await b.ask(config={"configurable": {"thread_id": "t1"}})
    assert read == [None, None, None]


@pytest.mark.promise("no-secret-leaves")
async def test_state_of_middleware_is_kept_without_a_secret_of_the_run() -> None:
    saver = InMemorySaver()
    b = bench(
        [calls(("weather", {})), DONE],
        EchoService("s", weather="sunny"),
        build=using(Counting({"of": "alice-at"})),
        checkpointer=saver,
    )
    await b.ask(config={"configurable": {"thread_id": "t1"}})
    kept = (await b.graph.aget_state({"configurable": {"thread_id": "t1"}})).values["hooked"]
    assert kept == {"count": 2, "said": {"of": "**redacted**"}}


async def test_state_of_middleware_that_is_no_json_ends_the_run() -> None:
    b = bench([DONE], build=using(Counting(object())))
    with pytest.raises(InternalError) as caught:
        await b.ask()
    assert "must be JSON" in caught.value.detail


async def test_hook_without_a_state_of_its_own_keeps_nothing() -> None:
    @before_model
    def same(state: Any, runtime: Any) -> None: ...

    b = bench([DONE], build=using(same), checkpointer=InMemorySaver())
    await b.ask(config={"configurable": {"thread_id": "t1"}})
    assert "hooked" not in (await b.graph.aget_state({"configurable": {"thread_id": "t1"}})).values
