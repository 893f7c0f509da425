"""Chats by each surface, and with the call of a tool, compared with a floor or a peer: requests a second."""

from collections.abc import Iterable
from typing import Any

from benchmarks.bench import Bench
from benchmarks.load import PATH, Endpoint, chat, compare, compare_at_loads
from benchmarks.report import Figure, at_least


def warm_chat(bench: Bench) -> Iterable[Figure]:
    """A warm chat with the model in the process, compared with the same graph and surface without identity.

    Requests/s, not streamed, under Machine identity.
    """
    agent = bench.application("benchmarks.servers.instant_agent")
    endpoint = Endpoint(agent, PATH, chat(), [bench.access_token()])
    floor = Endpoint(bench.peer("same_graph"), PATH, chat())
    yield from compare(bench.plan, endpoint, floor, name="same graph, no identity", target=at_least(0.97))


def _with_bare(bench: Bench, body: dict[str, Any], path: str = "") -> tuple[Endpoint, Endpoint]:
    """The same chat with the agent, under Machine identity, and with the bare one, which is untuned."""
    agent = Endpoint(bench.agent("Machine"), PATH, body, [bench.access_token()])
    return agent, Endpoint(bench.peer("bare"), f"{path}/chat/completions", body)


def warm_chat_http(bench: Bench) -> Iterable[Figure]:
    """A warm chat with the model over HTTP, not streamed, compared with a one-node agent without identity."""
    yield from compare(bench.plan, *_with_bare(bench, chat()), name="bare", target=at_least(1.0))


def warm_stream(bench: Bench) -> Iterable[Figure]:
    """A warm streamed chat of 20 tokens, compared with a one-node agent that streams."""
    endpoints = _with_bare(bench, chat(stream=True))
    yield from compare_at_loads(bench.plan, *endpoints, name="bare", target=at_least(2.0))


def mcp_chat(bench: Bench) -> Iterable[Figure]:
    """Two completions with one call of an MCP tool between them, compared with one persistent session."""
    endpoints = _with_bare(bench, chat("What is the weather in Hangzhou right now?"), "/mcp")
    yield from compare_at_loads(bench.plan, *endpoints, name="bare, one session", target=at_least(2.0))


def enterprise_chat(bench: Bench) -> Iterable[Figure]:
    """Two completions with one call of the enterprise service between them, compared with one HTTP client."""
    endpoints = _with_bare(bench, chat("Call my enterprise service."), "/enterprise")
    yield from compare_at_loads(bench.plan, *endpoints, name="bare, one client", target=at_least(2.0))


def langserve(bench: Bench) -> Iterable[Figure]:
    """Warm LangServe `invoke` and `stream`, compared with LangServe over a one-node agent.

    The peer streams tokens, as the agent does; the bare graph itself streams a completion as one event.

    Requests/s under Machine identity.
    """
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


def ag_ui(bench: Bench) -> Iterable[Figure]:
    """A warm chat as AG-UI's events, compared with the OpenAI stream of the same agent.

    Both stream the same run. AG-UI's also has the visited nodes as steps, and the state.

    Requests/s under Machine identity, without stored conversations; a completion has 20 tokens.
    """
    question = {"id": "u", "role": "user", "content": "Say something."}
    body = {"threadId": "t", "runId": "r", "messages": [question], "tools": [], "context": []}
    agent, tokens = bench.agent("Machine", CONVERSATIONS_URL="none"), [bench.access_token()]
    yield from compare(
        bench.plan,
        Endpoint(agent, "/ag-ui/agent", body, tokens),
        Endpoint(agent, PATH, chat(stream=True), tokens),
        name="OpenAI stream",
        target=at_least(0.85),
    )
