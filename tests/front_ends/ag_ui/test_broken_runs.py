"""Runs that do not end well, as the official AG-UI clients see them."""

import json
from collections.abc import Iterator

import pytest
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tests.agent.api.endless_model import CHUNK, EndlessModel, endless_model, happens
from tests.agent.conftest import running_agent
from tests.front_ends.ag_ui.conftest import Drive, text_of
from tests.suite import Sandbox

HELLO = {"messages": [{"id": "u1", "role": "user", "content": "Hello!"}]}


async def breaking_model(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends one word, then an error."""
    if scope["type"] == "http":
        error = {"error": {"message": "overloaded", "code": "overloaded"}}
        events = (f"data: {json.dumps(each)}\n\n" for each in (CHUNK, error))
        await StreamingResponse(events, media_type="text/event-stream")(scope, receive, send)


async def test_failure_in_mid_run_is_an_error_with_the_persons_text(
    sandbox: Sandbox, serve, http_agent
) -> None:
    with running_agent(sandbox, CONVERSATIONS_URL="none", LLM_BASE_URL=await serve(breaking_model)) as server:
        driven = await Drive(server, http_agent)(HELLO)

    for [result] in driven:
        assert text_of(result["events"]) == "Once"
        failure = result["events"][-1]
        assert (failure["type"], failure["code"]) == ("RUN_ERROR", "model_call_failed")
        assert failure["metadata"]["idaas-agent"]["request_id"] in failure["message"]
        assert "overloaded" not in failure["message"]
        assert result["thrown"] is None


@pytest.fixture
def model() -> Iterator[EndlessModel]:
    with endless_model() as model:
        yield model


async def test_abort_cancels_the_model_call(sandbox: Sandbox, model: EndlessModel, http_agent) -> None:
    with running_agent(sandbox, CONVERSATIONS_URL="none", LLM_BASE_URL=model.url) as server:
        driven = await Drive(server, http_agent)(HELLO | {"abortAt": "TEXT_MESSAGE_CONTENT"})

        assert await happens(model.disconnected)
    for [result] in driven:
        assert result["events"][-1]["type"] == "RUN_ERROR"
        assert result["events"][-1]["code"] == "abort"
        assert result["messages"][-1]["content"] == "Once"
