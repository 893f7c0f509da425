"""What a response may use, and how it ends with its agent: as on every surface."""

from typing import Any

import pytest

from plugins.responses.tests.test_text import PATH, events_of
from tests.agent.api.test_attachments import PNG, url
from tests.agent.api.threads.script import TALE
from tests.agent.api.threads.served_threads import ThreadsOf


@pytest.mark.promise("bounded")
@pytest.mark.parametrize(
    ("limit", "conversation", "code"),
    [
        ({"MAX_THREAD_MESSAGES": "2"}, "first", "conversation_full"),
        ({"MAX_USER_BYTES": "6000"}, "second", "storage_full"),
        ({"MAX_USER_THREADS": "1"}, None, "storage_full"),
    ],
)
async def test_message_beyond_a_limit_is_refused_before_the_model_is_called(
    threads: ThreadsOf, limit: dict[str, str], conversation: str | None, code: str
) -> None:
    served = await threads(**limit)
    assert (await served.say("x" * 3_600, "first")).status_code == 200
    asked = len(served.model.asked)
    body = {"input": "x" * 1_000, "conversation": conversation}
    refused = await served.ask("POST", PATH, body=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, code)
    assert len(served.model.asked) == asked


@pytest.mark.promise("shutdown-loses-nothing")
async def test_response_is_interrupted_by_the_stop_and_continued_at_the_next_agent(
    threads: ThreadsOf,
) -> None:
    served = await threads([TALE], waits=True)
    body = {"input": "A tale", "conversation": "t", "stream": True}
    async with served.stream("POST", PATH, body=body) as stream:
        await served.model.waiting.wait()
        await served.agent.aclose()
        await stream.aread()
    failed = events_of(stream)[-1]["response"]
    assert (failed["status"], failed["error"]["code"]) == ("failed", "shutting_down")
    after = await threads([TALE])
    read = (await after.ask("GET", f"{PATH}/{failed['id']}")).json()
    assert (read["status"], read["error"]["code"]) == ("failed", "shutting_down")
    again = await after.ask("POST", PATH, body={"input": "Go on", "previous_response_id": failed["id"]})
    assert again.json()["output"][0]["content"][0]["text"].strip() == "Once upon a time"


def image(data: Any) -> dict[str, Any]:
    parts = [{"type": "input_text", "text": "What is this?"}, {"type": "input_image", "image_url": data}]
    return {"input": [{"role": "user", "content": parts}]}


async def test_image_reaches_a_model_that_takes_it_and_no_address_is_fetched(threads: ThreadsOf) -> None:
    served = await threads(LLM_IMAGES="1")
    assert (await served.ask("POST", PATH, body=image(url(PNG)))).status_code == 200
    [asked] = served.model.asked
    assert asked[-1].content[1]["image_url"]["url"] == url(PNG)
    for data in ("https://example.com/a.png", "file:///etc/passwd", None):
        error = (await served.ask("POST", PATH, body=image(data))).json()["error"]
        assert error["param"].startswith("input[0].content[1]")
        assert error["code"] == "unsupported_value"
    blind = await threads()
    assert (await blind.ask("POST", PATH, body=image(url(PNG)))).status_code == 400
    assert blind.model.asked == []


@pytest.mark.parametrize(
    ("origin", "status"), [("http://localhost:9001", 200), ("https://evil.example", 400)]
)
async def test_page_of_another_origin_asks_before_each_request(
    threads: ThreadsOf, origin: str, status: int
) -> None:
    served = await threads()
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "DELETE",
        "Access-Control-Request-Headers": "Authorization, Content-Type",
    }
    for path in (PATH, f"{PATH}/resp_0"):
        preflight = await served.http.options(served.origin + path, headers=asked)
        assert preflight.status_code == status
        allowed = preflight.headers.get("Access-Control-Allow-Origin")
        assert allowed == (origin if status == 200 else None)
