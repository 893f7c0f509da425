"""Each tool call of the model gets a result, or the reason why it was not run.

A run that is executed again after its process has gone begins no call twice.
"""

import asyncio
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.runnables import ensure_config
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import get_runtime

from agent.errors.error_codes import AgentCode
from graph.context import AgentContext
from graph.limits import Limits
from identity.credentials.requirement import AccessTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, ServiceError, UnavailableError
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy
from tools.error_codes import ToolCode


async def test_calls_past_the_limit_of_a_response_are_refused_and_the_others_run() -> None:
    amap = EchoService("amap", weather="sunny")
    b = bench([calls(*[("weather", {})] * 5), DONE], amap, limits=Limits(tool_calls=3))
    results = [m for m in await b.ask() if isinstance(m, ToolMessage)]
    assert sorted((r.tool_call_id, r.status) for r in results) == [
        ("call_1", "success"), ("call_2", "success"), ("call_3", "success"),
        ("call_4", "error"), ("call_5", "error"),
    ]  # fmt: skip
    assert len(amap.calls) == 3


async def test_failing_tool_is_a_result_for_the_person_and_a_line_for_operators(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failure = ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, '"amap": status 500', status=500)
    b = bench([calls(("weather", {})), DONE], EchoService("amap", AMAP_KEY, weather=failure))
    _, result, final = await b.ask()
    row = failure.row
    assert result.status == "error"
    assert result.text == f"external_service_failed: {row.for_person('the amap service')}"
    (line,) = (record for record in caplog.records if record.name == "idaas_agent.failure")
    assert line.fields == {
        "service": "amap", "tool": "weather", "code": "external_service_failed",
        "detail": '"amap": status 500', "cause": row.cause, "remedy": row.remedy,
    }  # fmt: skip
    assert result.artifact == {
        "service": "amap", "access_identity": "Machine", "error": "external_service_failed",
        "credential": AMAP_KEY.identifier, "credential_kind": "api_key", "called": True,
        "duration_ms": result.artifact["duration_ms"],
    }  # fmt: skip
    assert final.text == "done"


@pytest.mark.promise("no-secret-leaves")
async def test_graph_that_a_tool_runs_finds_nothing_of_the_run() -> None:
    seen: list[Any] = []

    async def look(_: MessagesState) -> dict[str, Any]:
        seen.extend([ensure_config(), get_runtime().context])
        return {}

    async def research() -> str:
        inner = StateGraph(MessagesState).add_node("look", look).add_edge(START, "look").compile()
        await inner.ainvoke({"messages": []})
        return "nothing"

    b = bench([calls(("research", {})), DONE], EchoService("other", research=research))
    _, result, _ = await b.ask()
    assert result.text == "nothing"
    _, context = seen
    assert context is None
    assert "alice-at" not in repr(seen)


async def test_call_with_a_wider_credential_alone_is_recorded_as_made() -> None:
    class Wider(EchoService):
        async def call(self, _tool, _arguments, access):
            await access.stepped_up(AccessTokenRequirement("maps|read maps|write")).credential()
            raise ServiceError(ToolCode.EXTERNAL_SERVICE_FAILED, "status 500", status=500)

    b = bench([calls(("weather", {})), DONE], Wider("maps", AccessTokenRequirement("maps|read"), weather=""))
    _, result, _ = await b.ask()
    assert result.artifact["called"] is True


async def test_fault_of_a_tool_is_a_result_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather=KeyError("canary")))
    _, result, _ = await b.ask()
    assert result.status == "error"
    assert "KeyError" not in result.text
    assert "canary" not in result.text + caplog.text
    assert "KeyError" in caplog.text


async def test_slow_tool_ends_at_its_deadline() -> None:
    async def hang():
        await asyncio.Event().wait()

    b = bench(
        [calls(("weather", {})), DONE], EchoService("amap", weather=hang), limits=Limits(tool_seconds=0.05)
    )
    _, result, final = await b.ask()
    assert "external_service_failed" in result.text
    assert final.text == "done"


THREAD: Any = {"configurable": {"thread_id": "1"}}


class Record:
    """A record in memory."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.available = True
        self.reached = asyncio.Event()

    async def begin(self, call: str) -> bool:
        if not self.available:
            raise UnavailableError(AgentCode.REDIS_UNAVAILABLE, "Redis failed")
        known = call in self.calls
        self.calls.add(call)
        return not known


@pytest.fixture
def record() -> Record:
    return Record()


@pytest.fixture
def start(record: Record) -> Any:
    """A graph with one service, whose tool has `effect`; its process ends in the first call."""

    def make(effect: Effect) -> tuple[Any, EchoService]:
        async def answer() -> str:
            if len(enterprise.calls) == 1:
                record.reached.set()
                await asyncio.Event().wait()  # the process ends in this call
            return "done"

        enterprise = EchoService("enterprise", pay=answer)
        enterprise.policies["pay"] = ToolPolicy(effect, ApprovalMode.ALLOW)
        saver = InMemorySaver()
        turns = [calls(("pay", {})), DONE]
        return bench(turns, enterprise, checkpointer=saver, begun_calls=record), enterprise

    return make


async def execute(graph: Any, given: Any) -> Any:
    return await graph.ainvoke(given, THREAD, context=AgentContext(Secret("alice-at")), durability="sync")


async def executed_again(graph: Any, record: Record) -> list[ToolMessage]:
    """The results of tools, after the process has ended in the middle and the run was continued."""
    task = asyncio.create_task(execute(graph, {"messages": [("user", "pay")]}))
    await record.reached.wait()
    task.cancel()
    await asyncio.wait([task])
    messages = (await execute(graph, None))["messages"]
    return [message for message in messages if isinstance(message, ToolMessage)]


async def test_call_that_changes_something_is_begun_once(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.WRITE)
    [result] = await executed_again(b.graph, record)
    assert "may already have taken effect" in result.text
    assert len(enterprise.calls) == 1


async def test_call_that_only_reads_is_made_again(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.READ)
    [result] = await executed_again(b.graph, record)
    assert result.text == "done"
    assert len(enterprise.calls) == 2
    assert record.calls == set()


async def test_call_is_not_made_while_the_record_is_unavailable(start: Any, record: Record) -> None:
    b, enterprise = start(Effect.EXTERNAL)
    record.available = False
    with pytest.raises(UnavailableError):
        await execute(b.graph, {"messages": [("user", "pay")]})
    assert enterprise.calls == []


async def test_call_of_a_tool_that_the_user_may_not_use_says_why() -> None:
    refused = CredentialError(IdentityCode.SERVICE_KEY_UNAVAILABLE, "not granted")
    amap, hr = EchoService("amap", weather="sunny"), EchoService("hr", salary="1", holidays="2")
    amap.listing, hr.schemas = refused, hr.schemas[1:]
    b = bench([calls(("weather", {}), ("salary", {}), ("nothing", {})), DONE], amap, hr)
    _, weather, salary, nothing, _ = await b.ask()
    assert "service_key_unavailable" in weather.text
    assert 'the service "hr" does not offer the tool "salary" to this user' in salary.text
    assert nothing.text == 'there is no tool "nothing"'
