"""`doctor` and the services of SERVICES_FILE and of installed packages: a finding names what to correct."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from agent.commands.doctor.finding import Finding
from tests.agent.commands.doctor.declared_cases import AMAP, DECLARED_CASES, DeclaredCase, payroll
from tests.agent.commands.doctor.test_doctor import findings
from tests.security.hostile.hostile_server import HostileServer, shaped
from tests.suite import Sandbox

PAYROLL = '''
def service(payroll, settings):
    @payroll.tool
    async def payslip(http) -> str:
        """Gets the payslip."""
        if settings: raise LookupError(settings["fault"])
        return (await http.get()).text
'''
PACKAGE = """
from identity.audit.event import AuditedAction
from identity.credentials.placement import BEARER
from identity.credentials.requirement import ApiKeyRequirement, CredentialRequirement
from tools.mcp_service.service import MCPService


class Ticket(CredentialRequirement):
    declared, kind, placement = {"credential": "ticket"}, "ticket", BEARER

    def __str__(self):
        return "a ticket, which IDaaS does not keep"

    def issue_action(self, access_identity):
        return AuditedAction.JWT_ISSUE


def rates(tls):
    key = ApiKeyRequirement("rates_key")
    return MCPService("rates", "{url}", key, settings=("RATES_URL", "RATES_KEY"), ssl_context=tls)


def odd(tls):
    return MCPService("odd", "{url}", Ticket(), ssl_context=tls)
"""


async def with_status(request: Request) -> Response:
    status = int(request.path_params["status"])
    return Response("canary", status, {"Location": "https://localhost/"} if status == 307 else None)


@pytest.fixture
async def server(serve: Callable[..., Awaitable[str]]) -> str:
    return await serve(Starlette(routes=[Route("/{status}", with_status)]))


def first_failure(found: Mapping[str, Finding]) -> tuple[Finding, str]:
    first = next(finding for finding in found.values() if finding.outcome == "failed")
    return first, "\n".join([first.step, first.detail, *first.lines()])


@pytest.mark.parametrize("case", DECLARED_CASES, ids=str)
async def test_finding_names_the_declared_service_its_settings_and_its_credential(
    case: DeclaredCase, sandbox: Sandbox, tmp_path: Path, server: str
) -> None:
    file = tmp_path / "services.toml"
    places = {"{model_studio}": sandbox.cloud.addresses.model_studio, "{server}": server}
    text = case.file
    for name, address in places.items():
        text = text.replace(name, address)
    file.write_text(text)
    (tmp_path / "payroll.py").write_text(PAYROLL)
    case.change(sandbox)
    first, shown = first_failure(await findings(sandbox.environment | {"SERVICES_FILE": str(file)}))
    members = first.members()
    assert (first.step, members["code"], members["reason"]) == (case.step, case.code, case.reason)
    assert [word for word in case.words if word not in shown] == []
    assert "canary" not in shown


OUTSIDE = """
[services.amap]
type = "built-in"
policies = { now = { effect = "read" } }
"""


@pytest.mark.promise("servers-cannot-steer")
@pytest.mark.parametrize(("declared", "called"), [(False, []), (True, ["GET /200"])])
async def test_only_a_tool_that_is_declared_as_reading_is_called(
    sandbox: Sandbox, tmp_path: Path, serve: Callable[..., Awaitable[str]], declared: bool, called: list[str]
) -> None:
    requests = []

    async def noted(request: Request) -> Response:
        requests.append(f"{request.method} {request.url.path}")
        return await with_status(request)

    origin = await serve(Starlette(routes=[Route("/{status}", noted)]))
    names = ["act", "now"] if declared else ["act"]
    outside = HostileServer(lambda _: [shaped(name, {"type": "object"}) for name in names])
    (tmp_path / "payroll.py").write_text(PAYROLL)
    file = tmp_path / "services.toml"
    file.write_text(payroll(f"{origin}/200", declared=declared) + OUTSIDE * declared)
    variables = {"SERVICES_FILE": str(file), "EXTERNAL_SERVER_URL": f"{await serve(outside)}/mcp"}
    found = await findings(sandbox.environment | variables)
    assert {found[step].outcome for step in ("service payroll", "service amap")} == {"ok"}
    assert requests == called
    assert [name for name, _ in outside.calls()] == ["now"] * declared


RESOURCE = "https://mcp.example"


@pytest.mark.parametrize(
    ("named", "right"),
    [
        ({"resource": RESOURCE, "authorization_servers": ["{issuer}"]}, True),
        (None, True),
        ({"resource": RESOURCE, "authorization_servers": ["https://idp.example"]}, False),
        ({"resource": "https://other.example", "authorization_servers": ["{issuer}"]}, False),
        ({}, False),
    ],
)
async def test_metadata_of_an_mcp_server_must_name_the_issuer_and_audience_of_its_access_token(
    sandbox: Sandbox, tmp_path: Path, serve: Callable[..., Awaitable[str]], named: object, right: bool
) -> None:
    text = json.dumps(named).replace("{issuer}", sandbox.issuer)
    asked: list[str | None] = []

    async def metadata(request: Request) -> Response:
        asked.append(request.headers.get("Authorization"))
        return Response(text, 200 if named is not None else 404, media_type="application/json")

    origin = await serve(Starlette(routes=[Route("/.well-known/oauth-protected-resource/mcp", metadata)]))
    file = tmp_path / "services.toml"
    declared = f'type = "mcp"\nurl = "{origin}/mcp"\naccess_token = "{RESOURCE}|tools"\n'
    file.write_text(f"[services.rates]\n{declared}")
    found = (await findings(sandbox.environment | {"SERVICES_FILE": str(file)}))["metadata of rates"]

    assert asked == [None]
    assert (found.outcome == "ok") is right
    assert right or found.members()["reason"] == "metadata_differs"


def install(folder: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    """A package beside the agent, with one entry point."""
    metadata = folder / "doctor_rates-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: doctor-rates\nVersion: 1\n")
    entry = f"[idaas_agent.services]\n{function} = doctor_rates_{function}:{function}\n"
    (metadata / "entry_points.txt").write_text(entry)
    url = AMAP.format(model_studio=sandbox.cloud.addresses.model_studio)
    (folder / f"doctor_rates_{function}.py").write_text(PACKAGE.replace("{url}", url))
    monkeypatch.syspath_prepend(folder)


async def test_finding_names_the_settings_that_the_service_of_a_package_declares(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, sandbox, monkeypatch, "rates")
    first, shown = first_failure(await findings(sandbox.environment))
    assert (first.step, first.members()["reason"]) == ("credential of rates", "unknown_identifier")
    assert "correct RATES_URL, RATES_KEY" in shown
    assert '"rates_key"' in shown


async def test_unexpected_exception_is_a_finding_by_type_and_place(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, sandbox, monkeypatch, "odd")
    first, shown = first_failure(await findings(sandbox.environment))
    assert (first.step, first.members()["code"]) == ("credential of odd", "internal_error")
    assert re.search(r"raised \w+Error at ", shown)


@pytest.mark.parametrize(("approvers", "claim"), [("finance", "groups"), ("claim:manager", "manager")])
async def test_claim_by_which_approvers_are_known_must_be_read(
    sandbox: Sandbox, tmp_path: Path, approvers: str, claim: str
) -> None:
    policy = f'maps_weather = {{ effect = "write", approvers = "{approvers}" }}'
    (tmp_path / "services.toml").write_text(
        f'[services.amap]\ntype = "built-in"\npolicies = {{ {policy} }}\n'
    )
    variables = sandbox.environment | {"SERVICES_FILE": str(tmp_path / "services.toml")}
    printed = f'no one can approve, because the claim "{claim}" is not read'
    for claims, expected in (("name", printed), (claim, None)):
        found = (await findings(variables | {"CALLER_CLAIMS": claims})).get("approvers")
        assert (found and found.detail) == expected
