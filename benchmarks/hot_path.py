"""Where the agent's time goes: `python -m benchmarks.hot_path [chat|stream|mcp|enterprise]`.

Puts the real agent under load by wrk, watches it with py-spy, prints who spends how much, and writes a flame
graph. Self time is that of the innermost Python frame: what compiled code takes counts for its caller.
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
from benchmarks.chat import PATH, Subject, chat
from benchmarks.measurement import Plan
from benchmarks.servers.process import ROOT, ServerProcess

_CHATS: Final = {
    "chat": chat(),
    "stream": chat(stream=True),
    "mcp": chat("What is the weather?"),
    "enterprise": chat("Call the enterprise service"),
}
_SAMPLES_A_SECOND: Final = 200
_LINES: Final = 15
_WAITING: Final = frozenset({"_worker", "Condition.wait"})
"""Threads without work, which py-spy sometimes takes for busy."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Samples by name. `within`: so often was the name anywhere on the stack."""

    total: int
    packages: Counter[str] = field(default_factory=Counter)
    ours: Counter[str] = field(default_factory=Counter)
    within: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)


def read_profile(raw: str) -> Profile:
    """Of py-spy's format `raw`: a line for each stack, `frame;frame;… samples`, the innermost frame last."""
    stacks = [
        (stack.split(";"), int(samples))
        for stack, _, samples in (line.rpartition(" ") for line in raw.splitlines())
        if stack.rpartition(";")[2].partition(" (")[0] not in _WAITING
    ]
    profile = Profile(sum(samples for _, samples in stacks))
    for frames, samples in stacks:
        places = [_place(frame) for frame in frames]
        package, module, function = places[-1]
        profile.packages[package] += samples
        profile.functions[f"{module}: {function}"] += samples
        if package == "ours":
            profile.ours[module] += samples
        for name in {module for package, module, _ in places if package == "ours"}:
            profile.within[name] += samples
    return profile


def _place(frame: str) -> tuple[str, str, str]:
    """Package, module and function of `function (/path/of/module.py:12)`."""
    function, _, rest = frame.partition(" (")
    path = Path(rest.rpartition(":")[0] or rest.rstrip(")"))
    parts = path.with_suffix("").parts
    if "site-packages" in parts:
        inside = parts[parts.index("site-packages") + 1 :]
        return inside[0], ".".join(inside), function
    if path.is_relative_to(ROOT) and path.suffix:
        return "ours", ".".join(path.relative_to(ROOT).with_suffix("").parts), function
    if parts and parts[0] == "/":
        return "the standard library", ".".join(parts[-2:] if "asyncio" in parts else parts[-1:]), function
    return "the interpreter", str(path), function


def tables(profile: Profile) -> Iterator[str]:
    """Markdown."""
    yield from _table("package", "self", profile.total, profile.packages)
    yield from _table("our module", "self", profile.total, profile.ours)
    yield from _table("our module", "itself and what it calls", profile.total, profile.within)
    yield from _table("function", "self", profile.total, profile.functions)


def _table(what: str, time: str, total: int, counted: Counter[str]) -> Iterator[str]:
    yield from ("", f"| {what} | {time} |", "|---|---:|")
    for name, samples in counted.most_common(_LINES):
        yield f"| {name} | {samples / total:.1%} |"


def record(server: ServerProcess, kind: str, seconds: int, to: Path) -> None:
    """Watches `server` with py-spy. Raises `CalledProcessError` if that is not permitted."""
    command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(server.pid)]
    command += ["--duration", str(seconds), "--rate", str(_SAMPLES_A_SECOND), "--full-filenames"]
    subprocess.run([*command, "--format", kind, "--output", str(to)], check=True, stdout=subprocess.DEVNULL)


@contextmanager
def under_load(subject: Subject, seconds: float) -> Iterator[None]:
    """Under load while the block runs, and at least so long."""
    with ThreadPoolExecutor(1) as threads:
        load = threads.submit(subject.under_load, Plan(seconds=seconds))
        yield
        print(f"{load.result().per_second:,.0f} requests/s while watched", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables; the flame graph is in `benchmarks/results`."""
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
        subject = Subject(agent, PATH, _CHATS[options.chat], [bench.access_token()])
        subject.under_load(Plan())
        for kind, file in (("raw", raw), ("flamegraph", flames)):
            with under_load(subject, options.seconds + 2):
                record(agent, kind, options.seconds, file)
    print(*tables(read_profile(raw.read_text())), sep="\n")
    print(f"\nflame graph: {flames}")


if __name__ == "__main__":
    main()
