"""A published toolkit, whole: its tools are listed once, and each call has the credential of its caller."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool, StructuredTool, ToolException, create_retriever_tool, tool
from langsmith import tracing_context
from langsmith.utils import tracing_is_enabled
from pydantic import BaseModel, Field

from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call
from identity.errors import ServiceError
from identity.secrets.secret import Secret
from tools.approval_policy import READS
from tools.http_service.service_tool import run_tool
from tools.http_service.toolkit import tools_of_toolkit


class Query(BaseModel):
    query: str = Field(description="What is looked for.")
    limit: int = 3


class Toolkit:
    """As a package publishes one: it gets its key when it is made."""

    used: list[tuple[str, str, str]]

    def __init__(self, api_key: str, used: list[Any]) -> None:
        self.api_key, self.used = api_key, used

    def get_tools(self) -> list[BaseTool]:
        async def search(query: str, limit: int = 3) -> str:
            self.used.append(("search", query, self.api_key))
            return f"{limit} of {query} by {self.api_key}"

        def count(query: str) -> int:
            self.used.append(("count", query, self.api_key))
            return 7

        described = {"description": "Searches.", "args_schema": Query}
        return [
            StructuredTool.from_function(coroutine=search, name="search", **described),  # type: ignore[arg-type]  # of a test
            StructuredTool.from_function(count, name="count", description="Counts."),
        ]


def of(used: list[Any], **options: Any) -> ToolsUnderTest:
    def add(service: Any, _: Any) -> None:
        service.add_all(lambda key: Toolkit(key.reveal(), used).get_tools(), policy=READS)

    return ToolsUnderTest(add, **options)


async def test_tools_of_a_toolkit_are_called_with_the_credential_of_the_caller() -> None:
    used: list[Any] = []
    tools = of(used, lends_credential=True)
    model = ScriptedModel(call("search", query="leave", limit=1), call("count", query="leave"), "Seven.")
    agent = AgentUnderTest(model, tools)
    assert await agent.ask("How many?") == "Seven."
    assert [(name, query) for name, query, _ in used] == [("search", "leave"), ("count", "leave")]
    assert len({key for *_, key in used}) == 1
    assert "not-a-credential" not in str(used)


@pytest.mark.promise("no-secret-leaves")
async def test_credential_that_a_toolkit_repeats_is_not_in_its_result() -> None:
    used: list[Any] = []
    result = await of(used, lends_credential=True).call("search", query="leave")
    [(_, _, key)] = used
    assert result.text.startswith("3 of leave by ")
    assert key not in result.text


async def test_arguments_of_a_toolkit_are_checked_before_it_is_made() -> None:
    used: list[Any] = []
    tools = of(used, lends_credential=True)
    for arguments in ({"query": 3}, {}, {"query": "x", "idaas_client": "y"}, {"query": "x", "more": 1}):
        assert not (await tools.call("search", **arguments)).ok
    assert used == []


@pytest.mark.promise("on-record")
@pytest.mark.parametrize("handled", [True, "It is closed.", lambda error: f"It is {error}."])
async def test_failure_that_a_tool_handles_itself_is_a_failed_result(handled: Any) -> None:
    async def search(query: str) -> str:
        raise ToolException("closed")

    def add(service: Any, _: Any) -> None:
        described = {"description": "Searches.", "handle_tool_error": handled}
        service.add_all(lambda _: [StructuredTool.from_function(coroutine=search, **described)], policy=READS)

    tools = ToolsUnderTest(add, lends_credential=True)
    result = await tools.call("search", query="leave")
    assert (result.ok, "closed" in result.text) == (False, True)


async def test_result_of_a_toolkit_may_have_blocks_and_an_artifact() -> None:
    async def search(query: str) -> Any:
        return [{"type": "text", "text": f"About {query}."}, {"type": "image", "url": "x"}], {"raw": 1}

    def add(service: Any, _: Any) -> None:
        described = {"description": "Searches.", "response_format": "content_and_artifact"}
        service.add_all(lambda _: [StructuredTool.from_function(coroutine=search, **described)], policy=READS)

    result = await ToolsUnderTest(add, lends_credential=True).call("search", query="leave")
    assert (result.ok, result.text) == (True, "About leave.\n[image, not shown]")


async def test_service_that_lends_no_credential_makes_no_toolkit_of_a_call() -> None:
    used: list[Any] = []
    with pytest.raises(ServiceError, match="lends_credential = true"):
        await of(used).call("search", query="leave")
    assert used == []


async def test_tools_without_a_credential_and_a_retriever_are_added_as_they_are() -> None:
    class Handbook(BaseRetriever):
        def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
            return [Document(f"About {query}.")]

    @tool
    def today() -> str:
        """The day."""
        return "Monday"

    def add(service: Any, _: Any) -> None:
        listed: Sequence[BaseTool] = [today, create_retriever_tool(Handbook(), "handbook", "Finds rules.")]
        service.add_all(listed, policy=READS)

    tools = ToolsUnderTest(add)
    assert (await tools.call("handbook", query="leave")).text == "About leave."
    assert (await tools.call("today")).text == "Monday"


def test_two_tools_of_one_name_are_a_fault() -> None:
    def add(service: Any, _: Any) -> None:
        service.add_all(lambda key: [*Toolkit(key.reveal(), []).get_tools()] * 2)

    with pytest.raises(ValueError, match='a tool "search" already'):
        ToolsUnderTest(add)


def test_toolkit_is_listed_with_a_text_that_is_no_credential() -> None:
    listed: list[Secret] = []

    def add(service: Any, _: Any) -> None:
        service.add_all(lambda key: listed.append(key) or [])

    ToolsUnderTest(add)
    assert [key.reveal() for key in listed] == ["not-a-credential-but-what-the-tools-are-listed-with"]


@pytest.mark.promise("no-secret-leaves")
async def test_no_trace_has_what_a_tool_does_with_its_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSMITH_TRACING", "true")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "http://127.0.0.1:9")
    traced: list[bool] = []

    async def search(query: str) -> str:
        traced.append(bool(tracing_is_enabled()))
        return query

    def toolkit(_: Secret) -> list[BaseTool]:
        return [StructuredTool.from_function(coroutine=search, name="search", description="Searches.")]

    [tool] = tools_of_toolkit(toolkit)
    client = SimpleNamespace(credential=lend)
    with tracing_context(enabled=True):
        result = await run_tool(tool, {"query": "leave", "idaas_client": client})
        assert tracing_is_enabled()  # of what comes after it
    assert (result.text, traced) == ("leave", [False])


async def lend() -> SimpleNamespace:
    return SimpleNamespace(secret=Secret("key"))
