"""A profile of the agent: `python -m benchmarks.hot_path [chat|stream|mcp|enterprise]`.

Puts the agent under load by wrk, samples it with py-spy, prints the shares by package, module and function,
and writes a flame graph. Self time is that of the innermost Python frame; compiled code counts for its
caller.
"""

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat
from benchmarks.report.measurement import Plan
from benchmarks.servers.processes.process import ROOT, ServerProcess

_CHATS: Final = {
    "chat": chat(),
    "stream": chat(stream=True),
    "mcp": chat("What is the weather?"),
    "enterprise": chat("Call the enterprise service"),
}
_SAMPLES_PER_SECOND: Final = 200
_PROJECT: Final = "this project"
_TABLE_LINES: Final = 15
_IDLE_FRAMES: Final = frozenset({"_worker", "Condition.wait"})
"""Frames of idle threads, which py-spy sometimes reports as busy."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples by name. `within` counts the samples that have the name anywhere on the stack."""

    total: int
    packages: Counter[str] = field(default_factory=Counter)
    modules: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)


def read_profile(raw: str) -> Profile:
    """Reads py-spy's format `raw`: for each stack a line `frame;frame;… samples`, innermost frame last."""
    stacks = [
        (stack.split(";"), int(samples))
        for stack, _, samples in (line.rpartition(" ") for line in raw.splitlines())
        if stack.rpartition(";")[2].partition(" (")[0] not in _IDLE_FRAMES
    ]
    profile = Profile(sum(samples for _, samples in stacks))
    for frames, samples in stacks:
        places = [_locate(frame) for frame in frames]
        package, module, function = places[-1]
        profile.packages[package] += samples
        profile.functions[f"{module}: {function}"] += samples
        if package == _PROJECT:
            profile.modules[module] += samples
        for name in {module for package, module, _ in places if package == _PROJECT}:
            profile.within[name] += samples
    return profile


def _locate(frame: str) -> tuple[str, str, str]:
    """Returns package, module and function of `function (/path/of/module.py:12)`."""
    function, _, rest = frame.partition(" (")
    path = Path(rest.rpartition(":")[0] or rest.rstrip(")"))
    parts = path.with_suffix("").parts
    if "site-packages" in parts:
        inside = parts[parts.index("site-packages") + 1 :]
        return inside[0], ".".join(inside), function
    if path.is_relative_to(ROOT) and path.suffix:
        return _PROJECT, ".".join(path.relative_to(ROOT).with_suffix("").parts), function
    if parts and parts[0] == "/":
        return "the standard library", ".".join(parts[-2:] if "asyncio" in parts else parts[-1:]), function
    return "the interpreter", str(path), function


def tables(profile: Profile) -> Iterator[str]:
    """The lines of the Markdown tables."""
    yield from _table("package", "self", profile.total, profile.packages)
    yield from _table("module of this project", "self", profile.total, profile.modules)
    yield from _table("module of this project", "with what it calls", profile.total, profile.within)
    yield from _table("function", "self", profile.total, profile.functions)


def _table(subject: str, time: str, total: int, counted: Counter[str]) -> Iterator[str]:
    yield from ("", f"| {subject} | {time} |", "|---|---:|")
    for name, samples in counted.most_common(_TABLE_LINES):
        yield f"| {name} | {samples / total:.1%} |"


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
    """Prints the tables and writes the flame graph to `--to` (default `benchmarks/results`)."""
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
    print(*tables(read_profile(raw.read_text())), sep="\n")
    print(f"\nflame graph: {flames}")


if __name__ == "__main__":
    main()
