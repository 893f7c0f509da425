"""The question of a tool's server, asked over A2A."""

import json

import pytest

from plugins.a2a.tests.official_client import ClientOf
from plugins.a2a.tests.task_updates import approval_of, states, task_id_of
from tests.agent.api.asking_bank import TWO, Bank
from tests.agent.api.asking_bank import bank as bank
from tests.agent.api.asking_bank import served as served
from tests.agent.api.threads.served_threads import Threads


@pytest.mark.promise("approval-binds")
async def test_task_requires_input_and_goes_on(served: Threads, bank: Bank, client: ClientOf) -> None:
    alice = await client(served)
    updates = await alice.send("Pay", contextId="context-1")
    given = {"approval": approval_of(updates[-1])["id"], "decision": "edit", "arguments": {"copies": 2}}
    ended = await alice.send(given, taskId=task_id_of(updates))
    assert states(updates)[-1] == "INPUT_REQUIRED"
    assert "No question here asks for a password" in json.dumps(updates[-1])
    assert states(ended)[-1] == "COMPLETED"
    assert bank.answered == [{"q": TWO}]
