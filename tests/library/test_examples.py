"""The programs of `examples/library` on the sandbox, with a scripted model."""

import importlib.util
import os
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from tests.leave_application import LEAVE
from tests.library.called_app import ScriptedChat, call

FOLDER = Path(__file__).parents[2] / "examples" / "library"
PROGRAMS = ["create_agent", "state_graph"]


def module_of(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"library_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def signed_in(sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's variables, alice's token, and the files of the examples with the sandbox's address."""
    for name in [name for name in os.environ if name.startswith(("AGENT_", "LLM_"))]:
        monkeypatch.delenv(name)
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ACCESS_TOKEN", sandbox.access_token("alice"))
    services = (FOLDER / "services.toml").read_text()
    address = sandbox.environment["LEAVE_SERVICE_URL"]
    (tmp_path / "services.toml").write_text(services.replace("https://localhost:9445/leave", address))
    (tmp_path / "policies.toml").write_text((FOLDER / "policies.toml").read_text())
    monkeypatch.chdir(tmp_path)


def applies() -> ScriptedChat:
    """A model that looks at the balance, and applies for leave."""
    turns = [
        AIMessage("", tool_calls=[call("leave_balance", "call_1"), call("leave_apply", "call_2", **LEAVE)]),
        AIMessage("", tool_calls=[call("leave_applications", "call_1")]),
        AIMessage("Done."),
    ]
    return ScriptedChat(turns=turns)


@pytest.mark.parametrize("name", PROGRAMS)
async def test_program_asks_before_it_writes_and_writes_once(name, signed_in, sandbox):
    model, asked = applies(), []
    sandbox.cloud.counters.reset()

    def agrees(question: str) -> str:
        asked.append(question)
        return "y"

    assert await module_of(name).answered("Apply for leave.", model, agrees) == "Done."
    assert len(asked) == 1
    assert "It would use the rights of" in asked[0]
    results = [message for message in model.asked[-1] if isinstance(message, ToolMessage)]
    assert [message.status for message in results] == ["success"] * 3
    assert str(results[-1].text).count(LEAVE["first_day"]) == 1
    counted = sandbox.cloud.counters.snapshot()
    assert [count for name, count in counted.items() if "exchange" in name] == [1]


@pytest.mark.parametrize("name", PROGRAMS)
async def test_program_runs_as_its_readme_says_with_the_model_of_the_sandbox(name, signed_in):
    [question] = re.findall(r'python create_agent.py "(.+)"', (FOLDER / "README.md").read_text())
    asked = []

    def agrees(text: str) -> str:
        asked.append(text)
        return "y"

    answer = await module_of(name).answered(question, ask=agrees)
    assert (len(asked), "· days: 2" in asked[0]) == (1, True)
    assert "I still need" not in answer


@pytest.mark.parametrize("name", PROGRAMS)
async def test_program_does_not_write_what_its_user_declines(name, signed_in):
    model = applies()
    await module_of(name).answered("Apply for leave.", model, lambda _: "n")
    results = [message for message in model.asked[-1] if isinstance(message, ToolMessage)]
    assert [message.status for message in results] == ["success", "error", "success"]
    assert LEAVE["first_day"] not in str(results[-1].text)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_has_at_most_sixty_lines_and_marks_what_was_added(name):
    text = (FOLDER / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    assert 1 < text.count("# identity") <= 8  # with the docstring
