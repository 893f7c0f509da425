"""What apps do with OpenAI's Agents SDK: a program of its own, whose packages are those of the SDK's folder.

`agents_sdk_cases.py URL TOKEN` writes a line for each case: `{"name": …, "fault": …}`.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from agents import (
    Agent,
    HostedMCPTool,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel

_CALL = "weather"
_ASKS = "apply for leave"


class _Form(BaseModel):
    high: int


@function_tool
def own_tool() -> str:
    """A tool of the client's."""
    return "x"


class Cases:
    """Each method is a case; it raises what is wrong. The model says *Hello*, and *done* after a call."""

    def __init__(self, url: str, token: str) -> None:
        client = AsyncOpenAI(base_url=f"{url}/openai/v1", api_key=token, max_retries=0)
        self._model = OpenAIResponsesModel("qwen-plus", client)
        self._agent = self._made()
        names = ("leave", "amap")
        self._shows = self._made(
            tools=[HostedMCPTool(tool_config={"type": "mcp", "server_label": name}) for name in names]
        )

    def _made(self, **options: Any) -> Agent[Any]:
        return Agent("Assistant", instructions="Be kind.", model=self._model, **options)

    async def a_run(self) -> None:
        assert _said(await Runner.run(self._agent, "say hello")) == "Hello"

    async def a_streamed_run_with_a_call(self) -> None:
        run = Runner.run_streamed(self._agent, _CALL)
        kinds = [event.data.type async for event in run.stream_events() if event.type == "raw_response_event"]
        assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
        assert _said(run) == "done"

    async def output_type(self) -> None:
        run = await Runner.run(self._made(output_type=_Form), "form")
        assert run.final_output == _Form(high=31)

    async def goes_on_by_previous_response_id(self) -> None:
        first = await Runner.run(self._agent, "first")
        second = await Runner.run(self._agent, "second", previous_response_id=first.last_response_id)
        _require_same_conversation(first, second)

    async def goes_on_by_conversation_id(self) -> None:
        first = await Runner.run(self._agent, "first")
        second = await Runner.run(self._agent, "second", conversation_id=_conversation_of(first))
        _require_same_conversation(first, second)

    async def goes_on_by_to_input_list(self) -> None:
        await self._goes_on_by_list("first")

    async def goes_on_by_to_input_list_after_a_call(self) -> None:
        await self._goes_on_by_list(_CALL)

    async def _goes_on_by_list(self, question: str) -> None:
        first = await Runner.run(self._agent, question)
        added: Any = [*first.to_input_list(), {"role": "user", "content": "second"}]
        _require_same_conversation(first, await Runner.run(self._agent, added))

    async def goes_on_by_a_session(self) -> None:
        session = SQLiteSession("one")
        first = await Runner.run(self._agent, "first", session=session)
        _require_same_conversation(first, await Runner.run(self._agent, "second", session=session))

    async def approval_by_an_input_item(self) -> None:
        asked = await Runner.run(self._shows, _ASKS)
        [item] = asked.interruptions
        answer: Any = {
            "type": "mcp_approval_response",
            "approval_request_id": item.raw_item.id,
            "approve": True,
        }
        ended = await Runner.run(self._shows, [answer], previous_response_id=asked.last_response_id)
        assert _said(ended) == "done"

    async def approval_by_the_state_of_the_run(self) -> None:
        asked = await Runner.run(self._shows, _ASKS)
        state = asked.to_state()
        for item in asked.interruptions:
            state.approve(item)
        assert asked.interruptions
        assert _said(await Runner.run(self._shows, state)) == "done"

    async def rejection_by_the_state_of_the_run(self) -> None:
        asked = await Runner.run(self._shows, _ASKS)
        state = asked.to_state()
        for item in asked.interruptions:
            state.reject(item)
        assert asked.interruptions
        assert _said(await Runner.run(self._shows, state)) == "done"

    async def approval_in_a_streamed_run(self) -> None:
        asked = Runner.run_streamed(self._shows, _ASKS)
        assert [event async for event in asked.stream_events()]
        state = asked.to_state()
        for item in asked.interruptions:
            state.approve(item)
        ended = Runner.run_streamed(self._shows, state)
        assert [event async for event in ended.stream_events()]
        assert _said(ended) == "done"

    async def approval_by_on_approval_request(self) -> None:
        named: Any = {"type": "mcp", "server_label": "leave"}
        tool = HostedMCPTool(tool_config=named, on_approval_request=lambda _: {"approve": True})
        assert _said(await Runner.run(self._made(tools=[tool]), _ASKS)) == "done"

    async def approval_without_the_name_of_the_service(self) -> None:
        asked = await Runner.run(self._agent, _ASKS)
        assert asked.interruptions

    async def an_agent_with_a_tool_of_its_own(self) -> None:
        assert _said(await Runner.run(self._made(tools=[own_tool]), "hi")) == "Hello"


def _said(run: Any) -> str:
    return str(run.final_output).strip()


def _conversation_of(run: Any) -> str:
    return str(run.last_response_id).rpartition("_")[2]


def _require_same_conversation(first: Any, second: Any) -> None:
    assert _said(second) == "Hello"
    assert _conversation_of(first) == _conversation_of(second)
    assert first.last_response_id != second.last_response_id


async def _fault(case: Callable[[], Awaitable[None]]) -> str:
    try:
        await case()
    except Exception as error:  # noqa: BLE001 - any is a fault of the case
        return f"{type(error).__name__}: {error}"
    return ""


async def _main(url: str, token: str) -> None:
    set_tracing_disabled(True)
    cases = Cases(url, token)
    for name, method in vars(Cases).items():
        if not name.startswith("_"):
            fault = await _fault(method.__get__(cases))
            sys.stdout.write(json.dumps({"name": name.replace("_", " "), "fault": fault}) + "\n")


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:3]))
