import asyncio

import payslips

from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call


def test_payslip_is_requested_with_the_rights_of_the_employee():
    tools = ToolsUnderTest(payslips.service)
    tools.responds(json={"net": 8000})
    agent = AgentUnderTest(ScriptedModel(call("payslip", month="2026-10"), "8,000 yuan."), tools)
    assert asyncio.run(agent.ask("My payslip?")) == "8,000 yuan."
    assert (tools.requests[0].path, tools.requests[0].acts_for) == ("/payslips/2026-10", "user")


def test_missing_payslip_is_a_result_for_the_model():
    tools = ToolsUnderTest(payslips.service)
    tools.responds(404)
    result = asyncio.run(tools.call("payslip", month="1999-01"))
    assert (result.ok, result.text) == (False, "there is no payslip for this month")
