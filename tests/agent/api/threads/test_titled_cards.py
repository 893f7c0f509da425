"""The operator's titles on the cards of the core's surfaces, in the language of each request."""

import json
from typing import Any

import pytest

from tests.agent.api.threads.script import APPLY
from tests.agent.api.threads.served_threads import Threads, ThreadsOf

TITLED = {
    "": ['"Apply for leave (leave_apply)"', "· First day (first_day): "],
    "zh-CN,zh;q=0.9": ['"申请休假 (leave_apply)"', "· 开始日期 (first_day): "],
}


@pytest.fixture
async def served(threads: ThreadsOf) -> Threads:
    return await threads([APPLY], ACCESS_IDENTITY="Human")


def language(header: str) -> dict[str, str]:
    return {"Accept-Language": header} if header else {}


async def interrupts(served: Threads, header: str) -> list[tuple[str, Any]]:
    """The message of the interrupt, and the description of the card in the older form."""
    question = {"id": "m", "role": "user", "content": "Apply for leave"}
    body = {"threadId": "thread-1", "runId": "r", "messages": [question]}
    response = await served.ask("POST", "/ag-ui/agent", body=body, **language(header))
    events = [json.loads(line[5:]) for line in response.text.splitlines() if line.startswith("data:")]
    [finished] = [event for event in events if event["type"] == "RUN_FINISHED"]
    [older] = [event for event in events if event.get("name") == "on_interrupt"]
    [action] = json.loads(older["value"])["action_requests"]
    return [(interrupt["message"], action["description"]) for interrupt in finished["outcome"]["interrupts"]]


@pytest.mark.parametrize(("header", "texts"), TITLED.items())
async def test_card_of_ag_ui_has_titles(served: Threads, header: str, texts: list[str]) -> None:
    [(message, description)] = await interrupts(served, header)
    assert all(text in message and text in description for text in texts)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("header", "texts"), TITLED.items())
async def test_card_of_openai_has_titles(
    served: Threads, header: str, texts: list[str], stream: bool
) -> None:
    body = {
        "messages": [{"role": "user", "content": "Apply for leave"}],
        "metadata": {"thread_id": "thread-1"},
        "stream": stream,
    }
    response = await served.ask("POST", "/openai/v1/chat/completions", body=body, **language(header))
    said = "".join(content_of(response.text) if stream else [message_of(response.json())])
    assert all(text in said for text in texts)


def content_of(text: str) -> list[str]:
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    return [choice["delta"].get("content") or "" for choice in choices]


def message_of(body: Any) -> str:
    content: str = body["choices"][0]["message"]["content"]
    return content
