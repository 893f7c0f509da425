"""`/health`, `/ready` and the protected resource metadata."""

from sandbox.faults.faults import Fault
from tests.agent.conftest import AgentServer, running_agent
from tests.conftest import Sandbox


async def test_health_needs_no_dependency(agent_server: AgentServer) -> None:
    agent_server.sandbox.cloud.faults.set("idaas.token", Fault(status=500))
    response = await agent_server.client(None).get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_when_keys_and_machine_credentials_are_cached(agent_server: AgentServer) -> None:
    response = await agent_server.client(None).get("/ready")
    assert response.status_code == 200
    assert set(response.json()["checks"]) == {
        "audit_log",
        "revocations",
        "conversations",
        "signing_keys",
        "model",
        "amap",
        "enterprise",
    }


async def test_human_identity_obtains_nothing_before_a_user_calls(
    human_agent_server: AgentServer,
) -> None:
    response = await human_agent_server.client(None).get("/ready")
    assert response.json() == {
        "status": "ready",
        "checks": {
            "audit_log": {"ok": True},
            "revocations": {"ok": True},
            "signing_keys": {"ok": True},
            "conversations": {"ok": True},
        },
    }
    assert human_agent_server.sandbox.cloud.counters.snapshot().get("idaas:token.client_credentials", 0) == 0


async def test_agent_starts_without_idaas_and_recovers_without_a_restart(sandbox: Sandbox) -> None:
    for service in ("idaas.token", "idaas.jwks", "developer_api"):
        sandbox.cloud.faults.set(service, Fault(status=500))
    with running_agent(sandbox, ACCESS_IDENTITY="Machine") as server:
        async with server.client(None) as client:
            response = await client.get("/ready")
            assert response.status_code == 503
            checks = response.json()["checks"]
            assert checks["signing_keys"]["code"] == "jwks_unavailable"
            assert checks["model"]["code"] == "idaas_unreachable"
            assert checks["model"]["remedy"]
            sandbox.cloud.faults.clear()
            server.agent.readiness.forget()
            assert (await client.get("/ready")).status_code == 200


async def test_readiness_of_a_ready_agent_sends_no_request_to_idaas(agent_server: AgentServer) -> None:
    async with agent_server.client(None) as client:
        assert (await client.get("/ready")).status_code == 200
        agent_server.sandbox.cloud.counters.reset()
        agent_server.agent.readiness.forget()
        assert (await client.get("/ready")).status_code == 200
    counted = agent_server.sandbox.cloud.counters.snapshot()
    assert not [key for key in counted if key.startswith(("idaas:", "developer_api:"))]


async def test_protected_resource_metadata_names_the_authorization_server(agent_server: AgentServer) -> None:
    response = await agent_server.client(None).get("/.well-known/oauth-protected-resource")
    body = response.json()
    assert body["resource"] == "https://agent.sandbox.example"
    assert body["authorization_servers"] == [agent_server.sandbox.issuer]
    assert body["scopes_supported"] == ["https://agent.sandbox.example|agent.access"]
