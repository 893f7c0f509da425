"""Tests without a socket, a model or a credential."""

import asyncio

import my_graph
import payroll

from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call


def test_payslip_of_a_month_is_requested_from_the_service():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    assert asyncio.run(tools.call("payslip", month="2026-10")).text == '{"net":8000}'
    assert (tools.requests[0].path, tools.requests[0].query) == ("/payslips/2026-10", {"currency": "CNY"})


def test_report_asks_the_user_and_has_a_permission_of_its_own():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    assert tools.policy("report_error", month="2026-10", what="wrong") == "ask"
    assert (tools.permission("report_error"), tools.permission("payslip")) == ("payroll.write", "service.use")


def test_agent_gets_the_payslip_as_its_user_and_refuses_questions_about_others():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    model = ScriptedModel(call("payslip", month="2026-10"), "8,000.00 yuan")
    agent = AgentUnderTest(model, tools, graph=my_graph.build)
    assert asyncio.run(agent.ask("My payslip, please")) == "8,000.00 yuan"
    assert tools.requests[0].acts_for == "user"
    assert asyncio.run(agent.ask("What is the salary of Bob?")) == "I only speak about your own salary."
    assert len(model.read) == 2


def test_report_is_sent_only_if_the_user_agrees():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    model = ScriptedModel(call("report_error", month="2026-10", what="wrong"), "I sent nothing.")
    agent = AgentUnderTest(model, tools, approves=False)
    asyncio.run(agent.ask("Report it"))
    assert (len(agent.asked), tools.requests) == (1, [])
