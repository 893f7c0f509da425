"""Errors of an added service: their code, the settings that the remedy names, and statuses as results."""

import pytest
from starlette.responses import JSONResponse, Response

from idaas_agent.testing import AgentUnderTest, ScriptedModel, ToolsUnderTest, call
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, ServiceError
from tests.recorder import Recorder
from tests.tools.service_failure import failure_of
from tools.error_codes import ToolCode
from tools.service import ToolResult

SETTINGS = ("PAYROLL_SERVICE_URL", "PAYROLL_SERVICE_SCOPE")


@pytest.fixture
def payroll(serve, service_at):
    """Makes a service whose tool returns a 404 of the service as a result."""

    async def make(response, **options):
        service = service_at(await serve(Recorder(lambda _: response)), **options)

        @service.tool
        async def payslip(http, month: str):
            """Gets a payslip."""
            try:
                return (await http.get("payslips", month)).text
            except ServiceError as error:
                if error.status != 404:
                    raise
                return ToolResult(f"no payslip: {error.body}", ok=False)

        return service

    return make


async def test_remedy_names_the_settings_of_the_service_and_no_others(payroll, key_ring):
    service = await payroll(Response("down", 500), settings=SETTINGS)
    error = await failure_of(service.call("payslip", {"month": "2026-10"}, key_ring("K1")))
    error = error.of(service.name, service.settings)  # as the graph and `doctor` do
    assert error.code is ToolCode.SERVICE_FAILED
    assert "PAYROLL_SERVICE_URL, PAYROLL_SERVICE_SCOPE" in error.row.remedy
    assert "ENTERPRISE" not in "".join(error.__notes__) + error.row.remedy
    assert "PAYROLL" not in error.for_person()


async def test_remedy_without_settings_names_the_declaration(payroll, key_ring):
    service = await payroll(Response("down", 500))
    error = await failure_of(service.call("payslip", {"month": "2026-10"}, key_ring("K1")))
    assert "the declaration of the service" in error.row.remedy


def test_copy_of_an_error_for_a_service_names_its_settings_and_does_not_change_the_original():
    shared = CredentialError(IdentityCode.SERVICE_KEY_UNAVAILABLE, "not granted")
    payroll = shared.of("payroll", SETTINGS)
    assert ("PAYROLL_SERVICE_URL" in payroll.row.remedy, payroll.service) == (True, "payroll")
    assert [note.count("PAYROLL_SERVICE_URL") for note in payroll.__notes__] == [1]
    assert (shared.service, shared.settings, len(shared.__notes__)) == (None, (), 1)
    assert "the payroll service" in str(payroll)


@pytest.mark.promise("no-secret-leaves")
async def test_tool_can_make_a_result_of_a_status_and_its_redacted_body(serve, payroll, key_ring):
    service = await payroll(JSONResponse({"error": "2026-13"}, 404))
    result = await service.call("payslip", {"month": "2026-13"}, key_ring("K1"))
    assert result == ToolResult('no payslip: {"error":"2026-13"}', ok=False)


@pytest.mark.promise("no-secret-leaves")
async def test_body_of_an_error_is_redacted_and_is_part_of_no_message(serve, service_at, key_ring):
    recorder = Recorder(lambda r: Response(f"conflict {r.headers['authorization']}" + "x" * 5000, 409))
    service = service_at(await serve(recorder), max_bytes=1000)
    error = await failure_of(service.call("get", {}, key_ring("sk-canary")))
    assert error.body.startswith("conflict Bearer **redacted**")
    assert len(error.body) < 1100
    assert "conflict" not in f"{error} {error.detail} {error.args} {error.__notes__}"


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(("status", "level", "shown"), [(400, 10, True), (400, 20, False), (500, 10, False)])
async def test_body_of_an_upstream_400_is_in_the_log_line_of_operators_who_ask_for_it(
    caplog, status, level, shown
):
    def payroll(service, _):
        @service.tool
        async def payslip(http):
            """Gets the payslip."""
            return (await http.get()).text

    tools = ToolsUnderTest(payroll)
    tools.responds(status, text="month must be YYYY-MM, you sent token-1")
    agent = AgentUnderTest(ScriptedModel(call("payslip"), "done"), tools)
    with caplog.at_level(level, "idaas_agent.failure"):
        await agent.ask("My payslip?")
    [line] = caplog.records
    body = "month must be YYYY-MM, you sent **redacted**" if shown else None
    assert (line.levelname, line.fields.get("body")) == ("WARNING", body)
    assert "month" not in line.getMessage() + agent.messages[2].text + str(agent.events) + str(agent.audit)


async def test_time_limit_of_a_tools_own_is_not_taken_for_that_of_the_service(caplog):
    def reports(service, _):
        @service.tool
        async def report(http):
            """Waits for something else."""
            raise TimeoutError

    tools = ToolsUnderTest(reports)
    with pytest.raises(TimeoutError):
        await tools.call("report")
    await AgentUnderTest(ScriptedModel(call("report"), "done"), tools).ask("My report?")
    assert 'tool "report" raised TimeoutError at ' in caplog.text
    assert "no response" not in caplog.text


@pytest.mark.promise("no-secret-leaves")
async def test_body_of_an_error_that_is_cut_off_does_not_end_with_a_part_of_the_credential(
    serve, service_at, key_ring
):
    recorder = Recorder(lambda r: Response("x" * 980 + r.headers["authorization"] * 9, 409))
    service = service_at(await serve(recorder), max_bytes=1000)
    error = await failure_of(service.call("get", {}, key_ring("sk-canary-0123456789")))
    assert error.body == "x" * 980 + "Bearer "
