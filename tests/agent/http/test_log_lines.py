"""Every line of the log is one JSON object, also for warnings and uncaught exceptions."""

import asyncio
import json
import logging
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.operations.log_lines import JsonLines
from tests.agent.conftest import AgentServer
from tests.command import Command, running
from tests.suite import Sandbox

pytestmark = pytest.mark.promise("bounded")

COMMAND = str(Path(sys.executable).with_name("idaas-agent"))
MESSAGES = {"messages": [{"role": "user", "content": "hello"}]}

PROGRAM = r"""
import logging, sys, threading, warnings
from agent.operations.log_setup import set_up_logging

class Fails:
    def __del__(self):
        raise ValueError("in a finalizer")

    def __str__(self):
        raise ValueError("in a text")

def fail():
    raise ValueError("in a thread\nwith two lines")

set_up_logging()
warnings.warn("a warning\nof two lines")
warnings.simplefilter("always")
warnings.warn("of a library", DeprecationWarning)
thread = threading.Thread(target=fail, name="the thread")
thread.start()
thread.join()
log = logging.getLogger("any")
kept = Fails()
log.error("fails %s", kept)
log.error("arguments %d %d", "too few")
log.error("object", extra={"fields": {"member": object()}})
log.error("half a character \ud800, Chinese 中文, bell \x07, next line \x85, separator \u2028")
del kept
fail()
"""


def lines(command: Command) -> list[dict[str, Any]]:
    return [json.loads(line) for line in command.printed.split("\n") if line]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
async def test_warnings_and_uncaught_exceptions_become_records(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM, encoding="utf-8")
    async with running(sys.executable, str(file), folder=tmp_path, PYTHONIOENCODING=encoding) as command:
        assert await command.ends() == 1
        shown = [(line["level"], line["message"]) for line in lines(command)]
        printed, command.printed = command.printed, ""  # its lines contain tracebacks
    assert shown[0] == ("warning", "UserWarning: a warning\nof two lines")
    assert shown[1] == ("error", "thread the thread failed")
    assert [message for _, message in shown[2:5]] == ["a log record could not be written"] * 3
    assert shown[5][1] == "half a character \ud800, Chinese 中文, bell \x07, next line \x85, separator \u2028"
    assert shown[6][0] == "error"
    assert shown[7] == ("critical", "the process failed")
    assert len(shown) == 8
    assert "of a library" not in printed


@pytest.mark.parametrize(
    "code", [0x00, 0x1B, 0x7F, 0x9B, 0x2028, 0x202E, 0x2066, 0x200B, 0xFEFF, 0xD800, 0xE0041], ids=hex
)
def test_control_character_never_reaches_a_line_raw(code: int) -> None:
    text = f"a{chr(code)}b"
    line = JsonLines().format(logging.LogRecord("any", logging.INFO, "", 0, text, None, None))
    assert code not in map(ord, line)
    assert [ord(character) for character in json.loads(line)["message"]] == [ord("a"), code, ord("b")]


async def test_every_line_of_serve_is_json(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = sandbox.environment | {"AGENT_PORT": "0", "AGENT_HOST": "127.0.0.1"}
    bearer = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    async with running(COMMAND, "serve", folder=tmp_path, **variables) as command:
        await command.says("listening on")
        (port,) = re.findall(r"listening on 127.0.0.1, port (\d+)", command.printed)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, headers=bearer, timeout=60) as http:
            for action in ("stream_log", "stream_events", "invoke"):
                response = await http.post(f"/agent/{action}", json={"input": MESSAGES})
                assert response.status_code == 200
            await http.get("/x%1b%5d0;title%07%c2%9b%e2%80%ae")
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        writer.write(b"no HTTP\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"400"
        writer.close()
        command.send_signal(signal.SIGTERM)
        assert await command.ends() == 0
    found = lines(command)
    assert not [line for line in found if "eprecat" in line["message"]]
    assert {line.get("status") for line in found} >= {200, 400, 404}
    assert command.printed.isascii()


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/agent/invoke"])
async def test_disconnect_during_an_upload_is_not_logged_as_a_failure(
    agent_server: AgentServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    caplog.set_level("INFO")
    logged = threading.Event()

    def note(record: logging.LogRecord) -> bool:
        if getattr(record, "fields", {}).get("path") == path:
            logged.set()
        return True

    monkeypatch.setattr(logging.getLogger("idaas_agent.request"), "filters", [note])
    url = httpx.URL(agent_server.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    bearer = agent_server.headers()["Authorization"]
    head = f"POST {path} HTTP/1.1\r\nHost: agent\r\nAuthorization: {bearer}\r\nContent-Length: 100\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await asyncio.to_thread(logged.wait, 30)  # a busy server may not have read the request yet
    agent_server.stop()
    records = [json.loads(JsonLines().format(record)) for record in caplog.records]
    (line,) = [line for line in records if line.get("path") == path]
    assert (line["status"], line["level"], "failure" in line) == (499, "info", False)
    assert not [line for line in records if line["level"] == "error"]
