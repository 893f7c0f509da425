"""What load rows share: a question, and the rate at which a server answers it, beside a peer's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.load import Load, few, load
from benchmarks.measurement import Figure, Plan, Target, each, in_turns
from benchmarks.servers.process import ServerProcess

PATH = "/openai/v1/chat/completions"


def chat(question: str = "Say something.", *, stream: bool = False) -> dict[str, Any]:
    """The body of a chat completion."""
    return {"model": "qwen-plus", "messages": [{"role": "user", "content": question}], "stream": stream}


@dataclass(frozen=True, slots=True)
class Subject:
    """What is put under load. Peers look at no token."""

    server: ServerProcess
    path: str
    body: dict[str, Any]
    tokens: Sequence[str] = ("static",)

    def under_load(self, plan: Plan) -> Load:
        """For one round, from the usual number of connections."""
        if plan.quick:
            return few(self.server, self.path, self.body, self.tokens)
        return load(self.server, self.path, self.body, seconds=plan.seconds, tokens=self.tokens)


def beside(
    plan: Plan, ours: Subject, peer: Subject, *, name: str, target: Target, label: str = ""
) -> Iterator[Figure]:
    """Requests/s and the server's processor time for each, in turns, after a turn that does not count."""
    subjects = {"ours": lambda: ours.under_load(plan), "peer": lambda: peer.under_load(plan)}
    if not plan.quick:
        in_turns(1, subjects)
    results = in_turns(plan.rounds, subjects)
    mine, theirs = results["ours"], results["peer"]
    yield Figure(
        f"{label}requests",
        "/s",
        each(mine, lambda load: load.per_second),
        name,
        each(theirs, lambda load: load.per_second),
        target,
    )
    yield Figure(
        f"{label}processor time a request",
        "ms",
        each(mine, lambda load: load.cpu_ms),
        name,
        each(theirs, lambda load: load.cpu_ms),
    )
