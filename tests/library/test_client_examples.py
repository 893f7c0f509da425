"""The programs of `examples/library` that call services with their own clients, on the sandbox."""

from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, ToolMessage

from tests.library.called_app import ScriptedChat, call
from tests.library.test_examples import FOLDER, module_of
from tests.suite import Sandbox


@pytest.fixture
def variables_of_the_process(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ACCESS_TOKEN", sandbox.access_token("alice"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
async def application(variables_of_the_process: None) -> Any:
    module: ModuleType = module_of("fastapi_app")
    async with module.app.router.lifespan_context(module.app), module.identity:
        transport = httpx.ASGITransport(module.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://app.test") as client:
            yield client


async def test_application_calls_its_service_for_its_caller(sandbox: Sandbox, application: Any) -> None:
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice', name='Alice')}"}
    answered = await application.get("/balance", headers=headers)
    assert answered.status_code == 200
    assert answered.json()["name"] == "Alice"
    assert len(answered.json()) > 1


async def test_application_says_whose_permission_is_missing(sandbox: Sandbox, application: Any) -> None:
    headers = {"Authorization": f"Bearer {sandbox.access_token('bob')}"}
    answered = await application.get("/balance", headers=headers)
    assert answered.status_code == 403
    assert (await application.get("/balance")).status_code == 401


@pytest.mark.parametrize("identity", ["Human", "Machine"])
async def test_agent_uses_the_tools_of_an_mcp_server_with_its_key(
    sandbox: Sandbox, variables_of_the_process: None, monkeypatch: pytest.MonkeyPatch, identity: str
) -> None:
    monkeypatch.setenv("ACCESS_IDENTITY", identity)
    turns = [AIMessage("", tool_calls=[call("maps_weather", "call_1", city="Hangzhou")]), AIMessage("Sunny.")]
    model = ScriptedChat(turns=turns)
    assert await module_of("mcp_adapters").answered("The weather?", model) == "Sunny."
    [result] = [message for message in model.asked[-1] if isinstance(message, ToolMessage)]
    assert result.status == "success"


@pytest.mark.parametrize("name", ["fastapi_app", "langgraph_dev", "mcp_adapters"])
def test_program_has_at_most_sixty_lines_and_marks_what_was_added(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert 0 < text.count("# identity") <= 9
