"""Runs on Aegra, with LangGraph's own client."""

from plugins.aegra.tests.apart.aegra_process import Aegra
from tests.suite import Sandbox

ASK = {"messages": [{"role": "user", "content": "Call my enterprise service"}]}
ALICE = "user_alice01"


async def test_run_of_a_thread_is_executed_for_its_caller(aegra_server: Aegra, sandbox: Sandbox) -> None:
    client = aegra_server.client(sandbox.access_token("alice"))
    thread = await client.threads.create()
    values = await client.runs.wait(thread["thread_id"], "agent", input=ASK)
    assert ALICE in str(values)
