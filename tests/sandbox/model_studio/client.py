"""Clients of the sandbox's Model Studio: raw HTTP, and the official client."""

import json

WEATHER = {
    "type": "function",
    "function": {
        "name": "city_weather",
        "description": "The weather forecast of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "name of the city"}},
            "required": ["city"],
        },
    },
}
SERVICE = {
    "type": "function",
    "function": {"name": "company_service", "description": "Calls the company's enterprise service."},
}


def request(question="What is the weather in Hangzhou right now?", **members):
    return {"model": "qwen-plus", "messages": [{"role": "user", "content": question}], **members}


async def stream(http, url, body):
    """The bodies of a stream's events, `[DONE]` included as text."""
    events = []
    async with http.stream("POST", url, json={**body, "stream": True}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line:
                assert line.startswith("data: ")
                text = line.removeprefix("data: ")
                events.append(text if text == "[DONE]" else json.loads(text))
    return events


def deltas(events):
    return [event["choices"][0]["delta"] for event in events if event != "[DONE]" and event["choices"]]
