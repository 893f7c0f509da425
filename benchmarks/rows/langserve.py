"""LangServe's `invoke` and `stream` when all is warm, beside LangServe over a one-node agent.

The peer streams tokens, as the agent does; the bare graph itself would stream the answer in one piece.
"""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.chat import Subject, beside
from benchmarks.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s under Machine identity."""
    body = {"input": {"messages": [{"type": "human", "content": "Say something."}]}}
    agent, bare = bench.agent("Machine"), bench.peer("bare_langserve")
    token = bench.access_token()
    for action, path in (("invoke", "/agent/invoke"), ("stream", "/tokens/stream")):
        ours = Subject(agent, f"/agent/{action}", body, [token])
        yield from beside(
            bench.plan,
            ours,
            Subject(bare, path, body),
            name="bare LangServe",
            target=at_least(1.0),
            label=f"{action}: ",
        )
