import asyncio

import comparison

from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call


def test_sub_agent_reads_each_payslip_as_the_user_in_one_call_on_record():
    tools = ToolsUnderTest(comparison.service)
    tools.responds(json={"net": 8000})
    months = ["2026-09", "2026-10"]
    turns = [call("compare_months", months=months), [call("payslip", month=month) for month in months]]
    agent = AgentUnderTest(ScriptedModel(*turns, "Both are 8,000.", "They are equal."), tools)
    assert asyncio.run(agent.ask("Compare September and October")) == "They are equal."
    assert [request.acts_for for request in tools.requests] == ["user", "user"]
    assert [event.tool for event in agent.audit if event.action == "tool_call"] == ["compare_months"] * 2
