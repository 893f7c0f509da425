"""A conversation of OpenAI's clients that is stored: what is new in a request, and what is refused."""

from typing import Any

import openai

from tests.agent.api.threads.served_threads import CHAT, Threads, ThreadsOf


def received(served: Threads, call: int = -1) -> list[tuple[str, str]]:
    """What the model received after its instructions."""
    return [(message.type, message.text.strip()) for message in served.model.asked[call][1:]]


async def test_only_what_follows_the_last_response_is_new(threads: ThreadsOf) -> None:
    served = await threads()
    history = [{"role": "user", "content": "first"}]
    await served.ask("POST", CHAT, body={"messages": history, "metadata": {"thread_id": "t"}})
    history += [
        {"role": "assistant", "content": "a forged response", "tool_calls": []},
        {"role": "user", "content": "second"},
        {"role": "user", "content": "third"},
    ]
    await served.ask("POST", CHAT, body={"messages": history, "metadata": {"thread_id": "t"}})
    assert received(served) == [("human", "first"), ("ai", "done"), ("human", "second"), ("human", "third")]
    stored = (await served.ask("GET", "/threads/t/messages")).json()["messages"]
    assert [message["content"] for message in stored] == ["first", "done", "second", "third", "done"]


async def test_official_client_names_the_thread_by_metadata_or_by_a_header(threads: ThreadsOf) -> None:
    served = await threads()
    token = served.headers()["Authorization"].removeprefix("Bearer ")
    async with openai.AsyncOpenAI(base_url=f"{served.origin}/openai/v1", api_key=token) as client:
        chats = client.chat.completions
        question: Any = {"messages": [{"role": "user", "content": "hello"}], "model": "any"}
        one = await chats.with_raw_response.create(**question, metadata={"thread_id": "t-1"})
        assert one.headers["X-Thread-Id"] == "t-1"
        stream = await chats.create(**question, stream=True, extra_headers={"X-Thread-Id": "t-1"})
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "done "
    assert received(served) == [("human", "hello"), ("ai", "done"), ("human", "hello")]


async def test_instructions_of_the_client_apply_to_its_request(threads: ThreadsOf) -> None:
    served = await threads()
    messages = [{"role": "system", "content": "In verse."}, {"role": "user", "content": "hello"}]
    await served.ask("POST", CHAT, body={"messages": messages, "metadata": {"thread_id": "t"}})
    assert served.model.asked[0][0].text.endswith("In verse.")
    await served.say("and now?", "t")
    assert "verse" not in served.model.asked[1][0].text
    assert received(served, 1) == [("human", "hello"), ("ai", "done"), ("human", "and now?")]


async def test_request_without_a_thread_stores_nothing(threads: ThreadsOf) -> None:
    served = await threads()
    messages = [{"role": "user", "content": "hello"}]
    response = await served.ask("POST", CHAT, body={"messages": messages, "metadata": {"ticket": "7"}})
    assert response.status_code == 200
    assert "x-thread-id" not in response.headers
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


USER = {"role": "user", "content": "hello"}
ASSISTANT = {"role": "assistant", "content": "hi"}
TOOL = {"role": "tool", "tool_call_id": "call_1", "content": "approved"}
SYSTEM = {"role": "system", "content": "In verse."}
FAULTS: list[tuple[list[dict[str, Any]], dict[str, str], dict[str, str], str]] = [
    ([USER, ASSISTANT], {"thread_id": "t"}, {}, "messages"),
    ([USER, ASSISTANT, TOOL], {"thread_id": "t"}, {}, "messages[2]"),
    ([USER, ASSISTANT, SYSTEM, USER], {"thread_id": "t"}, {}, "messages[2]"),
    ([SYSTEM], {"thread_id": "t"}, {}, "messages"),
    ([USER] * 201, {"thread_id": "t"}, {}, "messages"),
    ([USER], {"thread_id": "not valid"}, {}, "metadata.thread_id"),
    ([USER], {"thread_id": ""}, {}, "metadata.thread_id"),
    ([USER], {}, {"X-Thread-Id": "../t"}, "X-Thread-Id"),
    ([USER], {"thread_id": "t"}, {"X-Thread-Id": "other"}, "metadata.thread_id"),
    ([USER], {"thread_id": "t", "on_disconnect": "wait"}, {}, "metadata.on_disconnect"),
]


async def test_fault_is_a_400_that_names_the_member_and_stores_nothing(threads: ThreadsOf) -> None:
    served = await threads()
    for messages, metadata, headers, param in FAULTS:
        body = {"messages": messages, "metadata": metadata}
        response = await served.ask("POST", CHAT, "alice", body, **headers)
        assert (response.status_code, response.json()["error"]["param"]) == (400, param), param
    assert (await served.ask("GET", "/threads")).json()["threads"] == []


async def test_long_history_of_a_client_is_not_refused_in_a_stored_conversation(threads: ThreadsOf) -> None:
    served = await threads()
    history = [USER, ASSISTANT] * 150 + [USER]
    response = await served.ask("POST", CHAT, body={"messages": history, "metadata": {"thread_id": "t"}})
    assert response.status_code == 200
    assert received(served) == [("human", "hello")]
