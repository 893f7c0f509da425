"""A bank whose MCP server asks its user before it pays, and an agent that uses it."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.agent.api.threads.served_threads import Threads, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.tools.mcp_service.modern_server import META, TEXT, ModernServer

PAY = calls(("pay", {"amount": 5}))
SCHEMA = {
    "type": "object",
    "properties": {"copies": {"type": "integer", "maximum": 3}},
    "required": ["copies"],
}
URL = "https://login.bank.example/connect?ticket=1"
FORM = {"message": "How many copies?", "requestedSchema": SCHEMA}
VISIT = {"mode": "url", "message": "Sign in there", "url": URL}
TWO = {"action": "accept", "content": {"copies": 2}}
FOUR = {"action": "accept", "content": {"copies": 4}}


class Bank(ModernServer):
    """Asks `question` in each call without a response to it."""

    def __init__(self) -> None:
        super().__init__()
        self.question: dict[str, Any] = FORM
        tool = {"name": "pay", "description": "Pays.", "inputSchema": {"type": "object"}}
        self.results["tools/list"] = {"resultType": "complete", "tools": [tool]}
        self.results["tools/call"] = self.called
        self.answered: list[Any] = []
        self.capabilities: list[Any] = []
        self.refusal = None

    async def answer(self, given: Any, body: dict[str, Any]) -> Any:
        self.keys = {given.headers.get("authorization", "").removeprefix("Bearer ")}
        return await super().answer(given, body)

    def called(self, params: dict[str, Any]) -> dict[str, Any]:
        declared = params["_meta"][META + "clientCapabilities"]
        self.capabilities.append(
            {"elicitation": declared["elicitation"]} if "elicitation" in declared else {}
        )
        if (given := params.get("inputResponses")) is not None:
            self.answered.append(given)
            return TEXT
        asked = {"q": {"method": "elicitation/create", "params": self.question}}
        return {"resultType": "input_required", "inputRequests": asked, "requestState": "s"}


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
async def served(
    bank: Bank, threads: ThreadsOf, serve: Callable[[Any], Awaitable[str]], tmp_path: Path
) -> Threads:
    (tmp_path / "services.toml").write_text(
        f'[services.bank]\ntype = "mcp"\nurl = "{await serve(bank)}/mcp"\napi_key = "amap_api_key"\n'
        'policies = { pay = { effect = "read" } }\n'
    )
    file = str(tmp_path / "services.toml")
    return await threads([PAY, DONE], SERVICES_FILE=file, CORS_ALLOWED_ORIGINS="https://page.example")
