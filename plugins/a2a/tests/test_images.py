"""Images in messages of A2A, as its version 0.3 has files."""

import base64
from typing import Any

import pytest

from tests.agent.api.test_attachments import PNG, parts, url
from tests.agent.api.threads.served_threads import ThreadsOf

pytestmark = pytest.mark.promise("threads-are-private", "bounded")


def message_with(data: bytes) -> dict[str, Any]:
    file = {"kind": "file", "file": {"bytes": base64.b64encode(data).decode(), "name": "plan.png"}}
    message = {"role": "user", "messageId": "m", "parts": [{"kind": "text", "text": "What is this?"}, file]}
    return {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": {"message": message}}


async def test_image_is_kept_in_the_context_and_reaches_the_model(threads: ThreadsOf) -> None:
    served = await threads(LLM_IMAGES="1")
    card = (await served.ask("GET", "/.well-known/agent-card.json")).json()
    assert {"image/png", "image/webp"} <= {*card["defaultInputModes"]}
    task = (await served.ask("POST", "/a2a", body=message_with(PNG))).json()["result"]
    assert [part["name"] for part in await parts(served, task["contextId"])] == ["plan.png"]
    [asked] = served.model.asked
    assert asked[-1].content[1]["image_url"]["url"] == url(PNG)


async def test_model_that_takes_no_images_refuses_them(threads: ThreadsOf) -> None:
    served = await threads()
    refused = await served.ask("POST", "/a2a", body=message_with(PNG))
    assert refused.json()["error"]["code"] == -32005
    assert served.model.asked == []
