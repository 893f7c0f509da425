"""Credentials are sent only to the configured addresses: a trap on loopback receives no request."""

import pytest
from starlette.responses import JSONResponse

from sandbox.faults.faults import Fault
from sandbox.server.server import SandboxOptions, start_sandbox
from tests.recorder import Recorder
from tests.running_agent import ENTERPRISE, GREETING, LEAVE, WEATHER

pytestmark = pytest.mark.promise("model-cannot-steer")


@pytest.mark.parametrize(
    "service", ["idaas.token", "idaas.jwks", "developer_api", "model_studio", "amap", "function_compute"]
)
async def test_no_redirect_is_followed(start_impatient_agent, sandbox, serve, service):
    trap = Recorder(lambda _: JSONResponse({"access_token": "x", "keys": []}))
    sandbox.cloud.faults.set(service, Fault(redirect=f"{await serve(trap)}/{service}"))
    started = await start_impatient_agent("Human")
    token = sandbox.access_token()
    for question in (GREETING, WEATHER, ENTERPRISE, LEAVE):
        await started.agent.ask(question, token)
    assert trap.requests == []
    assert sandbox.cloud.counters.snapshot()[f"{service}:fault"] > 0


async def test_a_server_of_another_authority_receives_no_secret(start_impatient_agent, sandbox, tmp_path):
    """Another sandbox, with valid certificates of another authority, replaces each service in turn."""
    ports = {f"{name}_port": 0 for name in ("idaas", "idaas_plain", "model_studio", "function_compute")}
    with start_sandbox(SandboxOptions(folder=tmp_path / "impostor", **ports)) as impostor:
        other = impostor.environment
        for variable in ("LLM_BASE_URL", "EXTERNAL_SERVER_URL", "ENTERPRISE_SERVICE_URL", "JWKS_ENDPOINT"):
            url = other.get(variable) or f"{impostor.cloud.addresses.issuer}/jwks"
            started = await start_impatient_agent("Machine", **{variable: url})
            for question in (GREETING, WEATHER, ENTERPRISE):
                answer = await started.agent.ask(question, sandbox.access_token())
                if variable in ("LLM_BASE_URL", "JWKS_ENDPOINT"):
                    assert answer.status == 503, variable
        assert impostor.cloud.counters.snapshot() == {}


async def test_no_tool_has_a_parameter_for_address_identity_or_credential(start_agent, sandbox):
    agent = await start_agent()
    await agent.warm()
    steering = {
        "url",
        "uri",
        "host",
        "header",
        "headers",
        "authorization",
        "token",
        "scope",
        "identity",
        "user",
    }
    steering |= {"access_token", "api_key", "credential", "credentials", "access_identity", "audience"}
    named: set[str] = set()
    for service in agent.composed.services:
        for tool in await service.tools(agent.composed.access(service.name, None)):
            named.add(tool.name)
            assert not steering & {name.lower() for name in tool.parameters.get("properties", {})}, tool.name
    assert {"call_enterprise_service", "maps_weather"} <= named
