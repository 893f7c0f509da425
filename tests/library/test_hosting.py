"""What a server adds to the calls of a graph that it runs."""

from typing import Any

import pytest

from agent.errors.error_codes import AgentCode
from graph.call_steps.fence import FenceStep
from idaas_agent.library.hosting import RUN, Host, run_of
from identity.errors import ThreadBusyError
from tests.library.called_app import Bank, call, called_app, results
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy


class EndedRuns:
    """A `RunFence` of a process whose runs have ended."""

    async def check(self, *_: Any) -> None:
        raise ThreadBusyError(AgentCode.RUN_INTERRUPTED, "ended")


@pytest.mark.promise("ended-runs-call-nothing")
async def test_call_of_a_run_that_has_lost_its_conversation_is_not_made() -> None:
    bank = Bank()
    bank.policies["pay"] = ToolPolicy(Effect.WRITE, ApprovalMode.ALLOW)
    app = await called_app(bank)
    parts = app.identity._parts = app.identity._made()  # those of the server
    app.identity.known_calls.host = Host(parts=parts, fence=FenceStep(EndedRuns()))
    state = await app.ask(call("pay", "call_1", amount=5), call("balance", "call_2"))
    assert bank.paid == []
    assert results(state)["call_1"][1].startswith("not run: the run has ended")
    assert results(state)["call_2"] == ("success", "5000")


def test_configuration_of_a_client_is_no_context_of_a_server() -> None:
    assert run_of({RUN: {"access_token": "x"}}) is None
    assert run_of({}) is None
