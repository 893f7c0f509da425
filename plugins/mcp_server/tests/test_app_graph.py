"""The graph of an application, asked over MCP."""

import pytest

from plugins.mcp_server.tests.modern_client import APPROVE, call, result
from tests.agent.api.threads.app_graphs import CREATE_AGENT, STATE_GRAPH
from tests.agent.api.threads.served_threads import AppOf
from tests.graph.scripted_model import DONE
from tests.leave_application import APPLIES


@pytest.mark.promise("approval-binds")
@pytest.mark.parametrize("graph", [CREATE_AGENT, STATE_GRAPH])
async def test_question_over_mcp_asks_as_any_other_and_its_tools_are_not_listed(
    app: AppOf, graph: str
) -> None:
    served = await app(graph, [APPLIES, DONE])
    assert [tool["name"] for tool in (await result(served, "tools/list"))["tools"]] == ["ask"]
    question = {"question": "Apply for leave"}
    asked = await call(served, "ask", question)
    assert "leave_apply" in asked["inputRequests"]["answer"]["params"]["message"]
    params = {"requestState": asked["requestState"], "inputResponses": APPROVE}
    ended = await call(served, "ask", question, **params)
    assert ended["structuredContent"]["answer"] == "done "
