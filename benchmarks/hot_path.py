"""A profile of the agent: `python -m benchmarks.hot_path [chat|stream|mcp|enterprise]`.

Puts the agent under load by wrk, samples it with py-spy, and writes a flame graph and the raw stacks.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.load import PATH, Endpoint, chat
from benchmarks.processes import ServerProcess
from benchmarks.report import Plan

_CHATS: Final = {
    "chat": chat(),
    "stream": chat(stream=True),
    "mcp": chat("What is the weather?"),
    "enterprise": chat("Call the enterprise service"),
}
_SAMPLES_PER_SECOND: Final = 200


def record(server: ServerProcess, kind: str, seconds: int, to: Path) -> None:
    """Samples `server` with py-spy. Raises `CalledProcessError` if the system does not permit it."""
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(server.pid)]
    command += ["--duration", str(seconds), "--rate", str(_SAMPLES_PER_SECOND), "--full-filenames"]
    subprocess.run([*command, "--format", kind, "--output", str(to)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def under_load(endpoint: Endpoint, seconds: float) -> Iterator[None]:
    """Keeps `endpoint` under load while the block runs, and for at least `seconds`."""
    with ThreadPoolExecutor(1) as threads:
        load = threads.submit(endpoint.run_load, Plan(seconds=seconds))
        yield
        print(f"{load.result().per_second:,.0f} requests/s while sampled", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes both to `--to` (default `benchmarks/results`)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hot_path")
    parser.add_argument("chat", nargs="?", choices=list(_CHATS), default="chat")
    parser.add_argument("--access-identity", choices=["Machine", "Human"], default="Machine")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "results", metavar="FOLDER")
    options = parser.parse_args(arguments)
    options.to.mkdir(parents=True, exist_ok=True)
    raw, flames = (options.to / f"profile-{options.chat}.{ending}" for ending in ("txt", "svg"))
    with Bench(Plan()) as bench:
        agent = bench.agent(options.access_identity)
        endpoint = Endpoint(agent, PATH, _CHATS[options.chat], [bench.access_token()])
        endpoint.run_load(Plan())
        for kind, file in (("raw", raw), ("flamegraph", flames)):
            with under_load(endpoint, options.seconds + 2):
                record(agent, kind, options.seconds, file)
    print(f"flame graph: {flames}; stacks: {raw}")


if __name__ == "__main__":
    main()
