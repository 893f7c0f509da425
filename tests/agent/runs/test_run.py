"""A run reports its own faults like every other error, without their texts."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from agent.errors.error_codes import AgentCode
from agent.errors.error_response import error_response, internal_error_body
from agent.runs.run import whole_run
from agent.runs.runs import Runs
from graph.build import CompiledAgentGraph
from graph.context import AgentContext
from identity.errors import InternalError
from tests.agent.conversations.processes import ALICE


class BrokenGraph:
    """A graph with a fault whose text contains a secret."""

    async def astream(self, *_: Any, context: AgentContext, **__: Any) -> AsyncIterator[dict[str, Any]]:
        assert context.writer is not None
        context.writer({"type": "content", "text": "Once"})
        yield {}
        raise ZeroDivisionError("canary")


async def test_fault_of_a_run_is_an_internal_error_with_type_and_place(caplog):
    run = Runs(cast(CompiledAgentGraph, BrokenGraph()), timeout=30).start([], ALICE, streaming=True)
    with pytest.raises(InternalError) as caught:
        await whole_run(run)
    error = caught.value
    assert error.code is AgentCode.INTERNAL_ERROR
    assert "ZeroDivisionError at " in error.detail
    assert "test_run.py:" in error.detail
    response = error_response(error)
    assert response.status_code == 500
    assert response.body == type(response)(internal_error_body()).body
    [line] = [record for record in caplog.records if record.name.startswith("idaas_agent.")]
    assert error.detail in line.getMessage()
    assert "canary" not in f"{error!r} {error.__notes__} {caplog.text}"
