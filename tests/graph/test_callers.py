"""Every node verifies the caller of the run, and records it in the state."""

import pytest

from graph.context import AgentContext
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.graph.bench import Bench
from tests.graph.conftest import BenchOf
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls


async def updates(b: Bench) -> list[tuple[str, dict]]:
    stream = b.graph.astream(
        {"messages": [("user", "hi")]}, context=AgentContext(Secret("alice-at")), stream_mode="updates"
    )
    return [update async for part in stream for update in part.items()]


async def test_each_visit_of_a_node_verifies_and_records_the_caller(bench: BenchOf) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    visits = await updates(b)
    assert [name for name, _ in visits] == ["authenticate", "credentials", "model", "amap", "model"]
    assert b.tokens.verified == ["alice-at"] * 5
    alice = {"issuer": "https://idaas.example", "subject": "alice"}
    assert [update["principal"] for _, update in visits] == [alice] * 5


@pytest.mark.parametrize("visit", range(1, 6))
async def test_refused_token_stops_the_run_at_each_node(bench: BenchOf, visit: int) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    verify = b.tokens.verify

    async def refuse_at_the_visit(token: Secret):
        if len(b.tokens.verified) == visit - 1:
            b.tokens.refused.add("alice-at")
        return await verify(token)

    b.tokens.verify = refuse_at_the_visit
    with pytest.raises(AccessTokenError):
        await updates(b)
    assert len(b.tokens.verified) == visit
