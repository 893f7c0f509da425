"""A warm chat as AG-UI's events, compared with the OpenAI stream of the same agent.

Both stream the same run. AG-UI's also has the visited nodes as steps, and the state.
"""

from collections.abc import Iterable

from benchmarks.bench import Bench
from benchmarks.load.chat import PATH, Endpoint, chat, compare
from benchmarks.report.measurement import Figure, at_least

_ROUTE = "/ag-ui/agent"


def measure(bench: Bench) -> Iterable[Figure]:
    """Requests/s under Machine identity, without stored conversations; a completion has 20 tokens."""
    question = {"id": "u", "role": "user", "content": "Say something."}
    body = {"threadId": "t", "runId": "r", "messages": [question], "tools": [], "context": []}
    agent, tokens = bench.agent("Machine", CONVERSATIONS_URL="none"), [bench.access_token()]
    yield from compare(
        bench.plan,
        Endpoint(agent, _ROUTE, body, tokens),
        Endpoint(agent, PATH, chat(stream=True), tokens),
        name="OpenAI stream",
        target=at_least(0.85),
    )
