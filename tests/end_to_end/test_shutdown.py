"""The real commands, stopped by signals during responses: every response ends, and no process remains."""

import contextlib
import json
import os
import re
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sandbox.faults.faults import Fault
from tests.command import forked
from tests.running_agent import ENTERPRISE, WEATHER
from tests.until import until

pytestmark = pytest.mark.promise("shutdown-loses-nothing")


@dataclass
class Stream:
    """A response that is being streamed."""

    response: httpx.Response
    text: str = ""

    async def until(self, word: str) -> None:
        async for part in self._parts:
            self.text += part
            if word in self.text:
                return
        raise AssertionError(self.text)

    async def end(self) -> str:
        """Reads on to the end. Raises if the body does not end as it should."""
        async for part in self._parts:
            self.text += part
        await self.response.aclose()
        return self.text

    @property
    def last(self) -> dict:
        return json.loads(self.text.strip().splitlines()[-1].removeprefix("data: "))

    def __post_init__(self) -> None:
        self._parts = self.response.aiter_text()


@dataclass(frozen=True)
class Client:
    """Requests streams as alice."""

    http: httpx.AsyncClient
    headers: dict[str, str]

    async def post(self, path: str, body: dict) -> Stream:
        """A stream in which a tool is being called."""
        request = self.http.build_request("POST", path, json=body, headers=self.headers)
        stream = Stream(await self.http.send(request, stream=True))
        await stream.until("tool_started")
        return stream

    async def chat(self, question: str) -> Stream:
        body = {"messages": [{"role": "user", "content": question}], "stream": True}
        return await self.post("/openai/v1/chat/completions", body)

    async def events(self, question: str) -> Stream:
        return await self.post("/agent/stream_events", {"input": {"messages": [["human", question]]}})


def client(origin: str, access_token: str):
    http = httpx.AsyncClient(base_url=origin, timeout=60, trust_env=False)
    return http, Client(http, {"Authorization": f"Bearer {access_token}"})


def refused(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return False
    return True


def outcomes(audit_log: Path) -> dict[str, list[str]]:
    """The outcomes of the recorded tool calls by service."""
    found: dict[str, list[str]] = {}
    for line in audit_log.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        if record["event"] == "tool_call":
            found.setdefault(record["service"], []).append(record["outcome"])
    return found


async def test_streams_that_take_too_long_end_with_an_error_and_everything_is_closed(sandbox, tmp_path):
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Machine",
        "AGENT_PORT": "0",
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
        "SHUTDOWN_SECONDS": "0.5",
    }
    async with forked("serve", folder=tmp_path, **variables) as agent:
        port = await agent.port()
        sandbox.cloud.faults.set("function_compute", Fault(hang=True))
        http, alice = client(f"http://127.0.0.1:{port}", sandbox.access_token())
        async with http:
            streams = [await alice.chat(ENTERPRISE), await alice.events(ENTERPRISE)]
            agent.send_signal(signal.SIGTERM)
            for stream in streams:
                assert (await stream.end()).count("shutting_down") >= 1
                assert stream.last["error"]["code"] == "shutting_down"
        assert await agent.ends() == 0
    assert refused(port)
    assert outcomes(tmp_path / "audit.jsonl") == {"enterprise": ["started"] * 2 + ["cancelled"] * 2}
    counts = sandbox.cloud.counters.snapshot()
    assert counts["amap:DELETE"] == counts["amap:initialize"] > 0


async def test_workers_finish_their_responses_and_a_second_signal_ends_them(sandbox, tmp_path):
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Machine",
        "AGENT_PORT": "0",
        "AUDIT_LOG_FILE": str(tmp_path / "audit.jsonl"),
        "SHUTDOWN_DELAY_SECONDS": "600",  # not after Ctrl-C
        "SHUTDOWN_SECONDS": "600",
    }
    async with forked("serve", "--workers", "2", folder=tmp_path, **variables) as agent:
        port = await agent.port(processes=2)
        sandbox.cloud.faults.set("function_compute", Fault(hang=True))
        sandbox.cloud.faults.set("amap", Fault(latency=0.4))
        http, alice = client(f"http://127.0.0.1:{port}", sandbox.access_token())
        async with http:
            in_time, too_late = await alice.chat(WEATHER), await alice.chat(ENTERPRISE)
            os.killpg(agent.pid, signal.SIGINT)  # as Ctrl-C does
            await agent.says("Shutting down", times=2)
            assert (await in_time.end()).endswith("data: [DONE]\n\n")
            await until(lambda: refused(port))  # a worker logs the line just before it closes its socket
            agent.send_signal(signal.SIGTERM)
            await too_late.end()
            assert too_late.last["error"]["code"] == "shutting_down"
        assert await agent.ends() == 0
    assert outcomes(tmp_path / "audit.jsonl") == {
        "amap": ["started", "succeeded"],
        "enterprise": ["started", "cancelled"],
    }


async def test_signal_while_the_agent_closes_lets_it_close(sandbox, tmp_path):
    audit_log = tmp_path / "audit.jsonl"
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Machine",
        "AGENT_PORT": "0",
        "AUDIT_LOG_FILE": str(audit_log),
    }
    async with forked("serve", folder=tmp_path, **variables) as agent:
        http, alice = client(f"http://127.0.0.1:{await agent.port()}", sandbox.access_token())
        async with http:
            await (await alice.chat(WEATHER)).end()
        sandbox.cloud.faults.set("amap", Fault(hang=True))  # the end of its session
        os.killpg(agent.pid, signal.SIGINT)
        await agent.says("Finished server process")
        for number in (signal.SIGTERM, signal.SIGINT):
            agent.send_signal(number)
        assert await agent.ends() == 0
    assert json.loads(audit_log.read_text().splitlines()[-1])["event"] == "audit_ended"


async def test_after_sigterm_new_connections_are_served_for_the_delay_while_the_agent_is_not_ready(
    sandbox, tmp_path
):
    """Workers obey SIGTERM in the same way: tests/agent/http/test_workers.py shows that it reaches each."""
    variables = sandbox.environment | {
        "ACCESS_IDENTITY": "Machine",
        "AGENT_PORT": "0",
        "SHUTDOWN_DELAY_SECONDS": "600",
    }
    async with forked("serve", folder=tmp_path, **variables) as agent:
        port = await agent.port()
        headers = {"Authorization": f"Bearer {sandbox.access_token()}"}

        async def request(method: str, path: str, **options) -> httpx.Response:
            """A response over a connection of its own."""
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
                return await http.request(method, path, headers=headers, timeout=60, **options)

        assert (await request("GET", "/ready")).status_code == 200
        agent.send_signal(signal.SIGTERM)

        async def is_not_ready() -> bool:
            return (await request("GET", "/ready")).status_code == 503

        await until(is_not_ready)
        body = {"messages": [{"role": "user", "content": WEATHER}]}
        response = await request("POST", "/openai/v1/chat/completions", json=body)
        assert (response.status_code, response.headers["Connection"]) == (200, "close")
        agent.send_signal(signal.SIGTERM)
        assert await agent.ends() == 0
    assert refused(port)


async def test_ctrl_c_does_not_wait_for_the_delay(sandbox, tmp_path):
    variables = sandbox.environment | {"AGENT_PORT": "0", "SHUTDOWN_DELAY_SECONDS": "600"}
    async with forked("serve", folder=tmp_path, **variables) as agent:
        port = await agent.port()
        os.killpg(agent.pid, signal.SIGINT)
        assert await agent.ends() == 0
    assert refused(port)


async def test_ctrl_c_leaves_no_process_and_no_port_of_up_behind(tmp_path):
    names = ("agent", "page", "idaas", "idaas-plain", "model-studio", "function-compute")
    ports = [argument for name in names for argument in (f"--{name}-port", "0")]
    async with forked("up", *ports, folder=tmp_path, SHUTDOWN_SECONDS="0.5") as up:
        await up.says("ready")
        _, origin = re.findall(r"^(?:page|agent) +(http://localhost:\d+)", up.printed, re.MULTILINE)
        plain = re.findall(r"http://localhost:\d+", up.printed.partition("IDaaS")[2])[0]
        async with httpx.AsyncClient(trust_env=False) as control:
            await control.put(f"{plain}/__sandbox__/faults/function_compute", json={"hang": True})
            token = (await control.post(f"{plain}/__sandbox__/access-tokens")).json()["access_token"]
        http, alice = client(origin, token)
        async with http:
            stream = await alice.chat(ENTERPRISE)
            os.killpg(up.pid, signal.SIGINT)
            await stream.end()
        assert stream.last["error"]["code"] == "shutting_down"
        assert await up.ends() == 0
    assert all(refused(int(port)) for port in re.findall(r":(\d+)", up.printed))
