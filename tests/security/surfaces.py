"""One question to an agent, by each of its surfaces."""

import uuid

from tests.every_surface import of_plugins


async def chat(agent, question, headers, *, stream=False):
    body = {"messages": [{"role": "user", "content": question}], "stream": stream}
    return await agent.http.post(f"{agent.origin}/openai/v1/chat/completions", json=body, headers=headers)


async def stream(agent, question, headers):
    return await chat(agent, question, headers, stream=True)


def langserve(route):
    async def ask(agent, question, headers):
        given = {"messages": [{"role": "user", "content": question}]}
        body = {"inputs": [given, given]} if route == "batch" else {"input": given}
        return await agent.http.post(f"{agent.origin}/agent/{route}", json=body, headers=headers)

    ask.__name__ = route
    return ask


async def ag_ui(agent, question, headers):
    messages = [{"id": "u", "role": "user", "content": question}]
    body = {"threadId": uuid.uuid4().hex, "runId": "r", "messages": messages}
    return await agent.http.post(f"{agent.origin}/ag-ui/agent", json=body, headers=headers)


SURFACES = [
    chat,
    stream,
    ag_ui,
    *of_plugins("SURFACES"),
    *(langserve(route) for route in ("invoke", "batch", "stream", "stream_log", "stream_events")),
]
