"""`serve` with METRICS_PORT: the numbers of all its processes, on a port of their own."""

import os
import re
import signal
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.command import forked

HEALTH = {"http_request_method": "GET", "http_route": "/health", "http_response_status_code": "200"}


async def test_port_of_metrics_has_the_sums_of_all_workers_also_of_killed_ones(sandbox, tmp_path):
    ports = {"AGENT_PORT": "0", "AGENT_HOST": "127.0.0.1", "METRICS_PORT": "0"}
    async with forked("serve", "--workers", "2", folder=tmp_path, **sandbox.environment | ports) as command:
        await command.says("startup complete", times=2)
        port, metrics_port = re.findall(r"on 127.0.0.1, port (\d+)", command.printed)
        if command.printed.index("listening on") > command.printed.index("metrics on"):
            port, metrics_port = metrics_port, port

        async def requests(number: int) -> None:
            for _ in range(number):
                async with httpx.AsyncClient(trust_env=False) as http:  # each on a connection of its own
                    assert (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 200

        async def counted() -> tuple[float, float]:
            async with httpx.AsyncClient(trust_env=False) as http:
                text = (await http.get(f"http://127.0.0.1:{metrics_port}/metrics")).text
            samples = [s for family in text_string_to_metric_families(text) for s in family.samples]
            (processes,) = [s.value for s in samples if s.name == "idaas_agent_processes"]
            counts = [
                s.value
                for s in samples
                if s.name == "http_server_request_duration_seconds_count" and s.labels == HEALTH
            ]
            return processes, sum(counts)

        await requests(12)
        assert await counted() == (2, 12)
        os.kill(workers_of(command.pid)[0], signal.SIGKILL)
        await command.says("was killed by signal 9")
        await requests(8)
        assert (await counted())[1] == 20
        command.send_signal(signal.SIGTERM)
        assert await command.ends() == 0


def workers_of(parent: int) -> list[int]:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
