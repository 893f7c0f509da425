"""SYSTEM_PROMPT_FILE replaces the built-in prompt of the model."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from graph.prompt import SYSTEM_PROMPT
from tests.graph.models.qwen_wire import answer
from tests.graph.models.wire_model import WireModel
from tests.running_agent import RunningAgent
from tests.suite import Sandbox


@pytest.mark.parametrize("own", [None, "You answer about pay.\nNever guess."], ids=["built-in", "own"])
async def test_model_receives_the_prompt_as_the_first_system_message(
    start_agent: Callable[..., Awaitable[RunningAgent]],
    sandbox: Sandbox,
    serve: Callable[..., Awaitable[str]],
    tmp_path: Path,
    own: str | None,
) -> None:
    model = WireModel()
    model.answers = [answer({"content": "Hello"})]
    variables = {"LLM_BASE_URL": await serve(model)}
    if own is not None:
        file = tmp_path / "prompt.txt"
        file.write_text(f"{own}\n", encoding="utf-8")
        variables["SYSTEM_PROMPT_FILE"] = str(file)
    agent = await start_agent("Machine", **variables)
    assert (await agent.ask("Hi", sandbox.access_token())).text == "Hello"
    first, *others = model.requests[0]["messages"]
    assert first == {"role": "system", "content": own or SYSTEM_PROMPT}
    assert [message["role"] for message in others] == ["user"]
