"""The events of a tool call, and LangGraph's stream mode `tools`: what a client may see of it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import ToolMessage

from graph.context import AgentContext
from graph.events import TOO_LONG
from graph.extensions import Extensions
from graph.files import RunFiles
from graph.limits import Limits
from identity.audit.trail import AuditTrail
from identity.error_codes import IdentityCode
from identity.errors import AuditError, CredentialError, ServiceError, UnreachableError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls
from tools.error_codes import ToolCode
from tools.progress import progress
from tools.service import ToolResult


async def ends(b) -> tuple[dict, dict]:
    """Both events of the one call of a run."""
    started, finished = (event for event in await b.events() if event["type"].startswith("tool"))
    return started, finished


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, {}),
        ({"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
        ({"text": "x" * 3_988}, {"text": "x" * 3_988}),
        ({"text": "x" * 3_989}, TOO_LONG),
    ],
)
async def test_arguments_are_shown_up_to_4000_characters_of_json(
    arguments: dict[str, Any], shown: Any
) -> None:
    b = bench([calls(("weather", arguments)), DONE], EchoService("amap", weather="sunny"))
    started, _ = await ends(b)
    assert started["arguments"] == shown
    assert len(json.dumps(started["arguments"], ensure_ascii=False)) <= 4_000


@pytest.mark.parametrize(
    ("text", "shown"), [("sunny", "sunny"), ("x" * 4_000, "x" * 4_000), ("x" * 4_001, "x" * 4_000 + "…")]
)
async def test_result_is_shown_as_the_model_receives_it_up_to_4000_characters(text: str, shown: Any) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather=text))
    _, finished = await ends(b)
    assert (finished["result"], finished["called"]) == (shown, True)
    assert [m.text for m in b.model.asked[-1] if isinstance(m, ToolMessage)] == [text]


@pytest.mark.parametrize(
    "failure",
    [
        CredentialError(ToolCode.EXTERNAL_API_KEY_UNAVAILABLE, "not granted"),
        UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "no answer"),
    ],
)
async def test_service_is_not_called_without_its_credential(failure: Any) -> None:
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    b = bench([calls(("weather", {})), DONE], amap)
    b.vault.failures["amap_api_key"] = failure
    _, finished = await ends(b)
    assert (finished["called"], finished["ok"], finished["error"]) == (False, False, failure.code.value)
    assert finished["result"] == next(m.text for m in b.model.asked[-1] if isinstance(m, ToolMessage))
    assert amap.calls == []


@pytest.mark.parametrize(
    ("answer", "called", "code"),
    [
        (ServiceError(ToolCode.ENTERPRISE_JWT_REJECTED, "status 403"), True, "enterprise_jwt_rejected"),
        (KeyError("canary"), True, "external_service_failed"),
        (ToolResult("no such city", ok=False), True, None),
        (ToolResult("invalid arguments", ok=False, called=False), False, None),
        (CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "on renewal"), True, "token_exchange_failed"),
    ],
)
async def test_event_of_a_failure_has_its_code_and_says_whether_the_service_was_called(
    answer: Any, called: bool, code: str | None
) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", AMAP_KEY, weather=answer))
    _, finished = await ends(b)
    assert (finished["called"], finished["ok"], finished.get("error")) == (called, False, code)


async def test_call_without_a_credential_in_time_is_not_made() -> None:
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    b = bench([calls(("weather", {})), DONE], amap, limits=Limits(tool_seconds=0.05))
    b.vault.lifetime = 20.0  # too short: the service's node obtains another one
    obtain = b.vault.obtain

    async def once(requirement, *more):
        if requirement == AMAP_KEY and ("amap_api_key", "machine") in b.vault.obtained:
            await asyncio.Event().wait()
        return await obtain(requirement, *more)

    b.vault.obtain = once
    _, finished = await ends(b)
    assert (finished["called"], amap.calls) == (False, [])


async def test_no_event_contains_a_credential_of_the_run_or_the_callers_token() -> None:
    planted = {"q": "amap_api_key-of-alice-0", "llm_api_key-of-alice-0": ["alice-at"]}
    b = bench(
        [calls(("weather", planted)), DONE],
        EchoService("amap", AMAP_KEY, weather="amap_api_key-of-alice-0 llm_api_key-of-alice-0 alice-at"),
        access_identity=AccessIdentity.HUMAN,
    )
    events = await ends(b)
    for secret in ("amap_api_key-of-alice-0", "llm_api_key-of-alice-0", "alice-at"):
        assert secret not in str(events)


async def tools_of(b: Any) -> list[dict[str, Any]]:
    stream = b.graph.astream(
        {"messages": [("user", "hello")]}, context=AgentContext(Secret("alice-at")), stream_mode="tools"
    )
    return [event async for event in stream]


async def test_call_is_reported_with_its_arguments_and_result() -> None:
    amap = EchoService("amap", weather="sunny")
    started, finished = await tools_of(bench([calls(("weather", {"city": "Hangzhou"})), DONE], amap))
    assert started == {
        "event": "tool-started",
        "tool_call_id": "call_1",
        "tool_name": "weather",
        "input": {"city": "Hangzhou"},
    }
    assert (finished["event"], finished["tool_call_id"]) == ("tool-finished", "call_1")
    assert (finished["output"].text, finished["output"].status) == ("sunny", "success")


async def test_refused_call_is_reported_as_a_failed_result() -> None:
    b = bench([calls(("teleport", {}), ("weather", {})), DONE], EchoService("amap", weather="sunny"))
    events = await tools_of(b)
    ended = {event["tool_call_id"]: event["output"] for event in events if event["event"] == "tool-finished"}
    assert {call: output.status for call, output in ended.items()} == {"call_1": "error", "call_2": "success"}
    assert "teleport" in ended["call_1"].text


@pytest.mark.promise("no-secret-leaves")
async def test_credentials_are_redacted_from_reported_arguments() -> None:
    secret = "amap_api_key-of-machine-0"
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    b = bench([calls(("weather", {"note": f"use {secret}"})), DONE], amap)
    started, _ = await tools_of(b)
    assert secret not in str(started)


async def test_call_that_cannot_be_recorded_ends_without_the_reason() -> None:
    ended: list[str] = []

    class Observer(AsyncCallbackHandler):
        async def on_tool_error(self, error: BaseException, **_: Any) -> None:
            ended.append(str(error))

    async def broken() -> str:
        raise AuditError(ToolCode.SERVICE_FAILED, "disk /var/log is full")

    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather=broken), audit=AuditTrail())
    with pytest.raises(AuditError):
        await b.ask(config={"callbacks": [Observer()]})
    assert ended == ["the call ended with AuditError"]


@pytest.mark.promise("no-secret-leaves")
async def test_credential_that_is_renewed_during_a_call_is_in_none_of_its_events_or_files() -> None:
    renewed = "amap_api_key-of-machine-1"

    async def report() -> ToolResult:
        progress(0.5, f"signed in with {renewed}")
        return ToolResult("done", files=[(f"{renewed}.txt", b"kept"), ("notes", renewed.encode())])

    kept: list[bytes] = []

    async def keep(data: bytes) -> str:
        kept.append(data)
        return "f1"

    async def no_files(_: Sequence[str]) -> dict[str, bytes]:
        return {}

    amap = EchoService("amap", AMAP_KEY, report=report)
    amap.renew_first = True
    b = bench([calls(("report", {})), DONE], amap)
    files = Extensions(RunFiles(no_files, keep))
    context = AgentContext(Secret("alice-at"), streaming=True, extensions=files)
    stream = b.graph.astream({"messages": [("user", "hello")]}, context=context, stream_mode="custom")
    events = [event async for event in stream]
    assert amap.calls[0][2] == renewed
    assert (kept, renewed in f"{events} {b.model.asked}") == ([b"kept"], False)
    [reported] = [event["message"] for event in events if event["type"] == "tool_progress"]
    assert reported == "signed in with **redacted**"
