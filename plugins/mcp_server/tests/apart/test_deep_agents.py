"""`examples/library/deep_agents.py` under the server, asked over MCP: `make deepagents-test`."""

import pytest
from langchain_core.messages import AIMessage

from plugins.mcp_server.tests.modern_client import APPROVE, call
from tests.agent.api.threads.served_threads import AppOf
from tests.agent.api.threads.test_app_graph import APPLY
from tests.deep_agents.test_program import GRAPH, TASK
from tests.graph.scripted_model import DONE


@pytest.mark.promise("approval-binds")
async def test_question_of_a_sub_agent_is_answered_over_mcp(app: AppOf) -> None:
    served = await app(GRAPH, [TASK, APPLY, AIMessage("Applied."), DONE])
    question = {"question": "Apply for leave"}
    waiting = await call(served, "ask", question)
    assert "leave_apply" in waiting["inputRequests"]["answer"]["params"]["message"]
    params = {"requestState": waiting["requestState"], "inputResponses": APPROVE}
    finished = await call(served, "ask", question, **params)
    assert finished["structuredContent"]["answer"] == "done "
