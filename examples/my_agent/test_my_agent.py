"""Tests without a socket, a model or a credential."""

import asyncio

import my_graph
import payroll
from langchain_core.messages import HumanMessage

from idaas_agent.testing import ToolsUnderTest


def test_payslip_of_a_month_is_requested_from_the_service():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    tools.responds(json={"net": 8000})
    assert asyncio.run(tools.call("payslip", month="2026-10")).text == '{"net":8000}'
    assert (tools.requests[0].path, tools.requests[0].query) == ("/payslips/2026-10", {"currency": "CNY"})


def test_report_asks_the_user_and_has_a_permission_of_its_own():
    tools = ToolsUnderTest(payroll.service, {"currency": "CNY"})
    assert tools.policy("report_error", month="2026-10", what="wrong") == "ask"
    assert (tools.permission("report_error"), tools.permission("payslip")) == ("payroll.write", "service.use")


def test_guardrail_refuses_questions_about_others():
    for text, refused in (("What is the salary of Bob?", True), ("My payslip, please", False)):
        message = HumanMessage(text)
        assert asyncio.run(my_graph.guardrail({"messages": [message]}))["refused"] is refused
