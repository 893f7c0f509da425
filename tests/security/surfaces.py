"""One question to an agent, by each of its surfaces."""

import uuid


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


async def a2a(agent, question, headers):
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": question}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage", "params": {"message": message}}
    return await agent.http.post(f"{agent.origin}/a2a", json=body, headers=headers | {"A2A-Version": "1.0"})


async def mcp(agent, question, headers):
    call = {"name": "ask", "arguments": {"question": question}, "_meta": {"progressToken": 1}}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    accept = {"Accept": "application/json, text/event-stream"}
    return await agent.http.post(f"{agent.origin}/mcp", json=body, headers=headers | accept)


SURFACES = [
    chat,
    stream,
    ag_ui,
    a2a,
    mcp,
    *(langserve(route) for route in ("invoke", "batch", "stream", "stream_log", "stream_events")),
]
