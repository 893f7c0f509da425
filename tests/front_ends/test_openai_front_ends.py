"""Open WebUI and LibreChat: no packages. The requests that they send, with the user's token."""

import pytest

from tests.running_agent import GREETING

CHAT = "/openai/v1/chat/completions"
MESSAGES = [{"role": "user", "content": GREETING}]
OPEN_WEBUI = {
    "X-OpenWebUI-User-Name": "Alice",
    "X-OpenWebUI-User-Id": "0b1c",
    "X-OpenWebUI-User-Email": "alice@example.com",
    "X-OpenWebUI-User-Role": "admin",
    "Cookie": "token=of-open-webui; oauth_session_id=0b1c",
}
"""Beside `Authorization`, which has the user's access token with *Auth: OAuth*."""
OPEN_WEBUI_BODY = {
    "stream": True,
    "model": "qwen-plus",
    "messages": MESSAGES,
    "stream_options": {"include_usage": True},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_current_timestamp",
                "description": "Get the current Unix timestamp in seconds.",
                "parameters": {"properties": {}, "type": "object"},
            },
        },
        {
            "type": "function",
            "function": {
                "name": "calculate_timestamp",
                "description": "Get the current Unix timestamp, optionally adjusted.",
                "parameters": {
                    "properties": {
                        name: {"default": 0, "description": f"Number of {name}", "type": "integer"}
                        for name in ("days_ago", "weeks_ago", "months_ago", "years_ago")
                    },
                    "type": "object",
                },
            },
        },
    ],
}
"""What Open WebUI 0.12.4 sends by default: `process_chat_payload` adds its built-in tools, in this form, to
each question (`function_calling` is native unless it is set to `legacy`). From its source: the package itself
needs a hundred others.
"""


async def test_open_webui_is_served_with_the_token_of_its_user(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    headers = OPEN_WEBUI | {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    body = {"model": "qwen-plus", "messages": MESSAGES, "stream": True}
    response = await agent.http.post(agent.origin + CHAT, headers=headers, json=body)
    assert response.status_code == 200
    assert response.text.endswith("data: [DONE]\n\n")


async def test_tools_that_open_webui_sends_with_each_question_are_not_used(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    headers = OPEN_WEBUI | {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    for question in (GREETING, "call get_current_timestamp with {}"):
        asked = {"messages": [{"role": "user", "content": question}]}
        response = await agent.http.post(agent.origin + CHAT, headers=headers, json=OPEN_WEBUI_BODY | asked)
        assert response.status_code == 200, response.text
        assert response.text.endswith("data: [DONE]\n\n")
        assert '"tool_calls"' not in response.text
        assert "tool_started" not in response.text


@pytest.mark.promise("verified-caller")
async def test_headers_and_cookies_of_open_webui_identify_no_caller(start_agent) -> None:
    agent = await start_agent("Human")
    for bearer in ({}, {"Authorization": "Bearer of-open-webui"}):
        for method, path in (("GET", "/openai/v1/models"), ("POST", CHAT)):
            response = await agent.http.request(method, agent.origin + path, headers=OPEN_WEBUI | bearer)
            assert response.status_code == 401


async def test_librechat_is_served_with_the_token_of_its_user(start_agent, sandbox) -> None:
    agent = await start_agent("Human")
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice')}", "X-Stainless-Lang": "js"}
    body = {
        "model": "qwen-plus",
        "messages": [{"role": "system", "content": "Be brief."}, *MESSAGES],
        "stream": True,
        "stream_options": {"include_usage": True},
        "user": "66f0c0ffee",
    }
    response = await agent.http.post(agent.origin + CHAT, headers=headers, json=body)
    assert response.status_code == 200
    assert '"usage"' in response.text
