"""LangGraph's stream mode `tools`: each call of the model, with what a client may see of it."""

from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler

from graph.context import AgentContext
from identity.audit.trail import AuditTrail
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import AuditError
from identity.secrets.secret import Secret
from tests.graph.conftest import BenchOf, CallTools
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE
from tools.error_codes import ToolCode


async def tools_of(b: Any) -> list[dict[str, Any]]:
    stream = b.graph.astream(
        {"messages": [("user", "hello")]}, context=AgentContext(Secret("alice-at")), stream_mode="tools"
    )
    return [event async for event in stream]


async def test_call_is_reported_with_its_arguments_and_result(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools
) -> None:
    amap = echo("amap", weather="sunny")
    started, finished = await tools_of(bench([call_tools(("weather", {"city": "Hangzhou"})), DONE], amap))
    assert started == {
        "event": "tool-started",
        "tool_call_id": "call_1",
        "tool_name": "weather",
        "input": {"city": "Hangzhou"},
    }
    assert (finished["event"], finished["tool_call_id"]) == ("tool-finished", "call_1")
    assert (finished["output"].text, finished["output"].status) == ("sunny", "success")


async def test_refused_call_is_reported_as_a_failed_result(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools
) -> None:
    b = bench([call_tools(("teleport", {}), ("weather", {})), DONE], echo("amap", weather="sunny"))
    events = await tools_of(b)
    ended = {event["tool_call_id"]: event["output"] for event in events if event["event"] == "tool-finished"}
    assert {call: output.status for call, output in ended.items()} == {"call_1": "error", "call_2": "success"}
    assert "teleport" in ended["call_1"].text


@pytest.mark.promise("no-secret-leaves")
async def test_credentials_are_redacted_from_reported_arguments(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools, amap_key: ApiKeyRequirement
) -> None:
    secret = "amap_api_key-of-machine-0"
    amap = echo("amap", amap_key, weather="sunny")
    b = bench([call_tools(("weather", {"note": f"use {secret}"})), DONE], amap)
    started, _ = await tools_of(b)
    assert secret not in str(started)


async def test_call_that_cannot_be_recorded_ends_without_the_reason(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools
) -> None:
    ended: list[str] = []

    class Observer(AsyncCallbackHandler):
        async def on_tool_error(self, error: BaseException, **_: Any) -> None:
            ended.append(str(error))

    async def broken() -> str:
        raise AuditError(ToolCode.SERVICE_FAILED, "disk /var/log is full")

    b = bench([call_tools(("weather", {})), DONE], echo("amap", weather=broken), audit=AuditTrail())
    with pytest.raises(AuditError):
        await b.ask(config={"callbacks": [Observer()]})
    assert ended == ["the call ended with AuditError"]
