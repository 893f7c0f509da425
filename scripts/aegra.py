"""Runs the graph on Aegra against the sandbox, until Ctrl-C: `make aegra`.

PostgreSQL and Redis run on free ports, with their data in temporary folders. A server accepts the requests,
and a worker executes the runs; each is a process of Aegra's own Python. All end together.
"""

import base64
import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sandbox.server.installation import FolderInUseError, SandboxOptions  # noqa: E402 - found by the path above
from sandbox.server.listener import PortInUseError  # noqa: E402 - found by the path above
from sandbox.server.server import start_sandbox  # noqa: E402 - found by the path above
from scripts.running_sandbox import FOLDER, sandbox_environment  # noqa: E402 - found by the path above
from tests.databases.postgres_process import postgres_process  # noqa: E402 - found by the path above
from tests.databases.redis_process import redis_process  # noqa: E402 - found by the path above

PYTHON = ROOT / ".venv-aegra" / "bin" / "python"
PORT = int(os.environ.get("AEGRA_PORT", "2026"))
_OTHERS = ("ALIBABA_CLOUD_", "FC_", "ECS_METADATA_", "LANGSMITH_", "LANGCHAIN_", "OTEL_", "PYTHON")
"""Variables of the machine's real account and tracing, which are not for the sandbox."""

_RUN = {
    "assistant_id": "agent",
    "input": {"messages": [{"role": "user", "content": "Call my enterprise service"}]},
}
_READY = """
LangGraph's API on Aegra   http://localhost:{port}   (a server, and one worker)
PostgreSQL                 {database}
Redis                      {redis}
the sandbox                {sandbox}
logs                       {logs}

  export TOKEN=$(.venv/bin/idaas-agent token --user alice)
  curl -s localhost:{port}/runs/wait -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' -d '{run}'

ready (Ctrl-C stops all)
"""


def sandbox_of(stack: ExitStack) -> Mapping[str, str]:
    """The variables of the sandbox that runs; otherwise of one that `stack` stops."""
    try:
        return stack.enter_context(start_sandbox(SandboxOptions(folder=FOLDER))).environment
    except (FolderInUseError, PortInUseError) as error:
        if not (found := sandbox_environment()):
            raise SystemExit(error.strerror) from None
        return found


def environment(sandbox: Mapping[str, str], folder: Path, database: str, redis: str) -> dict[str, str]:
    """The variables of both processes of Aegra."""
    key = folder / "seal-key"
    key.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    own = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
    return {
        **own,
        **sandbox,
        "ACCESS_IDENTITY": own.get("ACCESS_IDENTITY", "Human"),
        "AEGRA_CONFIG": str(ROOT / "aegra.json"),
        "CONVERSATIONS_URL": database,
        "CRON_ENABLED": "false",
        "DATABASE_URL": database,
        "LANGGRAPH_STRICT_MSGPACK": "true",
        "REDIS_BROKER_ENABLED": "true",
        "REDIS_URL": redis,
        "SEAL_KEY_FILE": str(key),
    }


def start(variables: Mapping[str, str], port: int, workers: int, log: Path) -> subprocess.Popen[bytes]:
    """A process of Aegra, which serves on `port` and has `workers`."""
    command = [str(PYTHON), "-m", "uvicorn", "aegra_api.main:app", "--host", "127.0.0.1", "--port", str(port)]
    given = {**variables, "WORKER_COUNT": str(workers), "PORT": str(port)}
    with log.open("wb") as file:
        # In a session of its own: Ctrl-C reaches this process only, which then ends the others in order.
        return subprocess.Popen(  # noqa: S603 - a fixed command
            command, cwd=ROOT, env=given, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process: runs in progress go back to the queue."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    if process.poll() is None:
        process.kill()
        process.wait()


def wait_until_ready(processes: Mapping[Path, subprocess.Popen[bytes]], port: int) -> None:
    """Raises `SystemExit` with the end of the log if a process ends."""
    while True:
        for log, process in processes.items():
            if process.poll() is not None:
                fault = f"{log.read_text(errors='replace')[-3000:]}\nAegra has ended, see {log}"
                raise SystemExit(fault)
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/ok", timeout=5).status_code == httpx.codes.OK:
                return
        time.sleep(0.2)


def main() -> None:
    """Starts all, and stops all when one ends or at Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idaas-agent-aegra-")))
        sandbox = sandbox_of(stack)
        postgres = stack.enter_context(postgres_process(password=secrets.token_urlsafe()))
        (folder / "redis").mkdir()
        redis = stack.enter_context(redis_process(folder / "redis"))
        with psycopg.connect(postgres.url_of("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE aegra")
        variables = environment(sandbox, folder, postgres.url_of("aegra"), redis.url)
        processes = {}
        for name, port, workers in (("server", PORT, 0), ("worker", PORT + 1, 1)):
            log = folder / f"{name}.log"
            processes[log] = start(variables, port, workers, log)
            stack.callback(stop, processes[log])
            wait_until_ready({log: processes[log]}, port)  # the first migrates the database
        print(  # noqa: T201 - its output
            _READY.format(
                port=PORT,
                run=json.dumps(_RUN),
                database=f"127.0.0.1:{postgres.port}",
                redis=f"127.0.0.1:{redis.port}",
                sandbox=sandbox["LLM_BASE_URL"],
                logs=folder,
            ),
            flush=True,
        )
        with contextlib.suppress(KeyboardInterrupt):
            while all(process.poll() is None for process in processes.values()):
                time.sleep(0.5)
        for log, process in processes.items():
            if process.poll() is not None:
                print(f"a process has ended, see {log}:\n{log.read_text(errors='replace')[-3000:]}")  # noqa: T201 - its output
    print("stopped")  # noqa: T201 - its output


if __name__ == "__main__":
    main()
