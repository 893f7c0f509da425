"""`idaas_agent.testing`: a tool is tested in ten lines, without a socket."""

import pytest

from idaas_agent import READS, ApprovalMode, Effect, ServiceError, ToolPolicy, ToolResult
from idaas_agent.testing import ToolsUnderTest
from tools import leave


def payroll(service, settings):
    @service.tool(policy=READS)
    async def payslip(http, month: str):
        """Gets a payslip."""
        try:
            return (await http.get("payslips", month, params={"currency": settings["currency"]})).text
        except ServiceError as error:
            if error.status == 404:
                return ToolResult("there is none", ok=False)
            raise

    @service.tool(policy=ToolPolicy(Effect.WRITE))
    async def correct(http, month: str, days: int):
        """Corrects a payslip."""
        return (await http.post("corrections", json={"month": month, "days": days})).text


@pytest.fixture
def tools():
    return ToolsUnderTest(payroll, {"currency": "CNY"})


async def test_request_and_result_of_a_tool(tools):
    tools.responds(json={"net": 8000})
    result = await tools.call("payslip", month="2026-10")
    assert (result.ok, result.text) == (True, '{"net":8000}')
    [request] = tools.requests
    assert (request.method, request.path, request.query) == ("GET", "/payslips/2026-10", {"currency": "CNY"})
    assert request.credential == "token-1"
    assert "token-1" not in repr(request)


async def test_credential_is_renewed_once_after_a_refusal(tools):
    tools.responds(401)
    tools.responds(json={})
    assert (await tools.call("correct", month="2026-10", days=2)).ok
    assert [request.credential for request in tools.requests] == ["token-1", "token-2"]
    assert tools.requests[1].body == {"month": "2026-10", "days": 2}


async def test_failures_are_those_of_the_agent(tools):
    tools.responds(404)
    assert (await tools.call("payslip", month="2026-10")).text == "there is none"
    tools = ToolsUnderTest(payroll, {"currency": "CNY"})
    tools.cannot_be_reached()
    with pytest.raises(ServiceError, match="the connection failed"):
        await tools.call("payslip", month="2026-10")


async def test_wrong_arguments_send_nothing(tools):
    refused = await tools.call("correct", month="2026-10", days="2")
    assert (refused.ok, refused.called, tools.requests) == (False, False, [])
    assert set(tools.parameters("correct")["properties"]) == {"month", "days"}


async def test_request_that_the_test_does_not_expect_fails_it(tools):
    with pytest.raises(AssertionError, match="GET /payslips/2026-10"):
        await tools.call("payslip", month="2026-10")


def test_policy_is_what_the_code_declares():
    human, machine = ToolsUnderTest(leave.service), ToolsUnderTest(leave.service, access_identity="Machine")
    assert human.policy("leave_balance") is ApprovalMode.ALLOW
    assert human.policy("leave_apply", days=3, first_day="2026-10-01") is ApprovalMode.ASK
    assert machine.policy("leave_apply", days=3, first_day="2026-10-01") is ApprovalMode.DENY
