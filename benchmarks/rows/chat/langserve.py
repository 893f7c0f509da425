"""Warm LangServe `invoke` and `stream`, compared with LangServe over a one-node agent.

The peer streams tokens, as the agent does; the bare graph itself streams a completion as one event.
"""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import Endpoint, compare
from benchmarks.report.measurement import Figure, at_least


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s under Machine identity."""
    body = {"input": {"messages": [{"type": "human", "content": "Say something."}]}}
    agent, bare = bench.agent("Machine"), bench.peer("bare_langserve")
    token = bench.access_token()
    for action, path in (("invoke", "/agent/invoke"), ("stream", "/tokens/stream")):
        endpoint = Endpoint(agent, f"/agent/{action}", body, [token])
        yield from compare(
            bench.plan,
            endpoint,
            Endpoint(bare, path, body),
            name="bare LangServe",
            target=at_least(1.0),
            label=f"{action}: ",
        )
