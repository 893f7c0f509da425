"""`docs/langserve.md` is correct: its example runs, its input is accepted, its routes exist."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

from agent.api.langserve.routes import MAX_BATCH
from tests.agent.conftest import AgentServer

DOCUMENT = (Path(__file__).parents[3] / "docs" / "langserve.md").read_text(encoding="utf-8")
[BODY] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL)]
[EXAMPLE] = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


async def test_documented_example_runs(agent_server: AgentServer, tmp_path: Path) -> None:
    file = tmp_path / "example.py"
    file.write_text(EXAMPLE, encoding="utf-8")
    token = agent_server.sandbox.access_token("alice")
    variables = {"AGENT_URL": agent_server.url, "IDAAS_AGENT_ACCESS_TOKEN": token, "PATH": os.environ["PATH"]}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(file),
        env=variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    assert output.decode().index("Hangzhou") < output.decode().index("Beijing")


async def test_documented_input_is_accepted_by_each_route(agent_server: AgentServer) -> None:
    async with agent_server.client() as http:
        for action in ("invoke", "stream", "stream_events", "stream_log"):
            response = await http.post(f"/agent/{action}", json=BODY)
            assert response.status_code == 200, action
            assert "Hangzhou" in response.text, action


async def test_each_form_of_a_message_is_accepted(agent_server: AgentServer) -> None:
    text = BODY["input"]["messages"][0]["content"]
    forms = ({"role": "user", "content": text}, {"type": "human", "content": text}, ["human", text])
    async with agent_server.client() as http:
        batch = await http.post("/agent/batch", json={"inputs": [{"messages": [form]} for form in forms]})
        assert [("Hangzhou" in output["content"]) for output in batch.json()["output"]] == [True] * 3


async def test_documented_routes_equal_the_existing_ones(agent_server: AgentServer) -> None:
    posts = set(re.findall(r"`POST (/agent/\w+)`", DOCUMENT))
    async with agent_server.client() as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
        served = {path for path, methods in paths.items() if path.startswith("/agent/") and "post" in methods}
        assert served == posts
        for name in ("input_schema", "output_schema", "config_schema"):
            assert f"{name}`" in DOCUMENT
            assert (await http.get(f"/agent/{name}")).status_code == 200


def test_largest_batch_equals_the_documented_one() -> None:
    assert f"1 to {MAX_BATCH}" in DOCUMENT
