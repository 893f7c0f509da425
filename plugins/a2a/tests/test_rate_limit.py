"""The body alone shows whether a request of A2A starts a run: it is counted before."""

import json

import pytest

from agent.errors.error_codes import AgentCode
from plugins.a2a.a2a_error import A2ACode
from tests.agent.http.test_rate_limit import busy_client
from tests.suite import Sandbox


@pytest.mark.promise("bounded")
async def test_request_refused_after_its_body_was_read_is_counted(sandbox: Sandbox) -> None:
    message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    sent = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message}}
    async with busy_client(sandbox, MAX_REQUESTS_PER_MINUTE="3") as http:
        http.headers["A2A-Version"] = "1.0"
        bodies = [json.dumps(sent), "{", "{}", "{}"]
        codes = [(await http.post("/a2a", content=body)).json()["error"]["code"] for body in bodies]
    assert codes == [
        AgentCode.TOO_MANY_RUNS,
        A2ACode.JSON_PARSE_ERROR,
        A2ACode.INVALID_REQUEST,
        AgentCode.RATE_LIMITED,
    ]
