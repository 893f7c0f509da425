"""Images of requests on each surface: their types, their number, and who may read them afterwards."""

import base64
import hashlib
import json
from typing import Any

import httpx
import pytest

from tests.agent.api.threads.served_threads import CHAT, Threads, ThreadsOf, threads  # noqa: F401
from tests.graph.scripted_model import DONE

pytestmark = pytest.mark.promise("threads-are-private", "bounded")

PNG = b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR" + b"canary-of-bytes"
"""With a chunk of 4 GB: nothing decodes it."""
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0",
    "image/gif": b"GIF89a",
    "image/webp": b"RIFF\x10\0\0\0WEBPVP8 ",
}
DISGUISED = {
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "PDF": b"%PDF-1.7",
    "RIFF that is no image": b"RIFF\x10\0\0\0WAVEfmt ",
    "nothing": b"",
}


def url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def chat(*urls: str, thread: str | None = "thread-1", **more: Any) -> dict[str, Any]:
    images = [{"type": "image_url", "image_url": {"url": each, "detail": "low"}} for each in urls]
    content = [{"type": "text", "text": "What is this?"}, *images]
    kept = {} if thread is None else {"metadata": {"thread_id": thread}}
    return {"messages": [{"role": "user", "content": content}], **kept, **more}


def asked(served: Threads) -> list[dict[str, Any]]:
    """The parts of the last question that the model received."""
    content = served.model.asked[-1][-1].content
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def fault(response: httpx.Response) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["param"]


async def parts(served: Threads, thread: str = "thread-1") -> list[dict[str, Any]]:
    messages = (await served.ask("GET", f"/threads/{thread}")).json()["messages"]
    return [
        part for each in messages for part in each.get("metadata", {}).get("idaas-agent", {}).get("files", [])
    ]


async def test_image_of_each_type_reaches_the_model_and_its_owner_alone(
    threads: ThreadsOf,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = await threads(LLM_IMAGES="4")
    response = await served.ask("POST", CHAT, body=chat(*map(url, IMAGES.values())))
    assert response.status_code == 200, response.text
    sent = [each["image_url"]["url"] for each in asked(served)[1:]]
    assert sent == [url(data, kind) for kind, data in IMAGES.items()]
    found = await parts(served)
    assert [part["media_type"] for part in found] == list(IMAGES)
    for part, data in zip(found, IMAGES.values(), strict=True):
        path = f"/threads/thread-1/files/{part['id']}"
        file = await served.ask("GET", path)
        assert (file.status_code, file.content, file.headers["Content-Type"]) == (
            200,
            data,
            part["media_type"],
        )
        assert file.headers["Content-Disposition"] == "attachment"
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert file.headers["Content-Security-Policy"].startswith("sandbox;")
        assert "no-store" in file.headers["Cache-Control"]
        assert (await served.ask("GET", path, "bob")).status_code == 404
    await served.ask("POST", "/threads", "bob", {"id": "thread-1"})
    assert fault(await served.ask("GET", path, "bob")) == (404, "file_not_found", None)
    assert (await served.http.get(served.origin + path)).status_code == 401
    exported = (await served.ask("GET", "/threads/thread-1/export")).json()
    assert {each["id"]: base64.b64decode(each["data"]) for each in exported["files"]} == {
        part["id"]: data for part, data in zip(found, IMAGES.values(), strict=True)
    }
    await served.ask("DELETE", "/threads/thread-1")
    assert (await served.ask("GET", path)).status_code == 404
    assert "canary" not in caplog.text
    assert base64.b64encode(PNG).decode() not in caplog.text


async def test_what_is_no_image_or_no_data_is_refused_before_the_model_is_called(threads: ThreadsOf) -> None:  # noqa: F811
    served = await threads(LLM_IMAGES="2")
    for data in DISGUISED.values():
        refused = fault(await served.ask("POST", CHAT, body=chat(url(data))))
        assert refused == (400, "unsupported_value", "messages[0].content[1]")
    for address in ("http://169.254.169.254/", "https://a.example/b.png", "file:///etc/passwd", "data:,x"):
        refused = fault(await served.ask("POST", CHAT, body=chat(address)))
        assert refused == (400, "unsupported_value", "messages[0].content[1]")
    assert fault(await served.ask("POST", CHAT, body=chat("data:image/png;base64,%%%")))[2] == (
        "messages[0].content[1]"
    )
    many = fault(await served.ask("POST", CHAT, body=chat(*[url(PNG)] * 3)))
    assert many == (400, "unsupported_value", "messages[0].content")
    large = await served.ask("POST", CHAT, body=chat(url(PNG + bytes(1_000_000))))
    assert fault(large)[:2] == (413, "request_too_large")
    system = chat() | {"messages": [{"role": "system", "content": chat(url(PNG))["messages"][0]["content"]}]}
    assert fault(await served.ask("POST", CHAT, body=system | {"metadata": None}))[1] == "unsupported_value"
    assert served.model.asked == []


async def test_model_that_takes_no_images_refuses_them_on_each_surface(threads: ThreadsOf) -> None:  # noqa: F811
    served = await threads()
    assert fault(await served.ask("POST", CHAT, body=chat(url(PNG)))) == (
        400,
        "unsupported_value",
        "messages[0].content",
    )
    assert fault(await served.ask("POST", "/ag-ui/agent", body=ag_ui(PNG)))[1] == "unsupported_value"
    invoked = {"input": chat(url(PNG), thread=None)}
    assert (await served.ask("POST", "/agent/invoke", body=invoked)).status_code == 422
    assert served.model.asked == []


def ag_ui(data: bytes, thread: str = "thread-1") -> dict[str, Any]:
    source = {"type": "data", "value": base64.b64encode(data).decode(), "mimeType": "image/png"}
    content = [{"type": "text", "text": "What is this?"}, {"type": "image", "source": source}]
    return {
        "threadId": thread,
        "runId": "r",
        "state": None,
        "messages": [{"id": f"m-{thread}", "role": "user", "content": content}],
        "tools": [],
        "context": [],
        "forwardedProps": None,
    }


async def test_image_can_be_sent_over_ag_ui_and_without_a_conversation(threads: ThreadsOf) -> None:  # noqa: F811
    served = await threads(LLM_IMAGES="1")
    assert (await served.ask("POST", "/ag-ui/agent", body=ag_ui(PNG))).status_code == 200
    assert [part["name"] for part in await parts(served)] == ["image.png"]
    assert (await served.ask("POST", CHAT, body=chat(url(PNG), thread=None))).status_code == 200
    assert [message[-1].content[1]["image_url"]["url"] for message in served.model.asked] == [url(PNG)] * 2
    disguised = ag_ui(DISGUISED["SVG"], "thread-2")
    refused = fault(await served.ask("POST", "/ag-ui/agent", body=disguised))
    assert refused == (400, "unsupported_value", "messages[0].content[1]")
    disguised["messages"][0]["content"][1]["source"] = {"type": "url", "value": "http://169.254.169.254/"}
    assert fault(await served.ask("POST", "/ag-ui/agent", body=disguised)) == refused


async def test_edited_question_keeps_its_image(threads: ThreadsOf) -> None:  # noqa: F811
    served = await threads((DONE,), LLM_IMAGES="1")
    await served.ask("POST", "/ag-ui/agent", body=ag_ui(PNG))
    edited = {"message_id": "m-thread-1", "content": "What colour is it?"}
    assert (await served.ask("POST", "/threads/thread-1/versions", body=edited)).status_code == 202
    await served.ask("GET", "/threads/thread-1/events")
    assert [part["type"] for part in asked(served)] == ["text", "image_url"]
    assert asked(served)[0]["text"] == "What colour is it?"


async def test_audit_log_has_the_digest_of_an_image_and_no_bytes(threads: ThreadsOf, tmp_path: Any) -> None:  # noqa: F811
    log = tmp_path / "audit.jsonl"
    served = await threads(LLM_IMAGES="1", AUDIT_LOG_FILE=str(log), AUDIT_REQUIRED="true")
    await served.ask("POST", CHAT, body=chat(url(PNG)))
    text = log.read_text()
    [called] = [each for each in map(json.loads, text.splitlines()) if each["event"] == "model_call"]
    assert called["files"] == [f"sha256:{hashlib.sha256(PNG).hexdigest()} {len(PNG)}"]
    assert "canary" not in text
