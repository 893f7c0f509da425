"""What the metrics of a real agent contain after real requests."""

from typing import Any

from identity.access_token.revocation import Origin, Revocation, Target
from identity.observation.metrics import Values
from sandbox.faults.faults import Fault
from tests.loopback import free_port
from tests.running_agent import ENTERPRISE, GREETING, WEATHER, RunningAgent, StartAgent

CHAT = "/openai/v1/chat/completions"


Reading = dict[str, Values]


def reading(agent: RunningAgent) -> Reading:
    return {metric.name: values for metric, values in agent.composed.measures.metrics.read().items()}


def counts(reading: Reading, name: str) -> dict[tuple[str, ...], Any]:
    """The counts of a metric by its labels, those that are not 0; of a histogram the number of its values."""
    found = {
        labels: sum(value[:-1]) if isinstance(value, tuple) else value
        for labels, value in reading[name].items()
    }
    return {labels: count for labels, count in found.items() if count}


async def test_requests_and_errors_are_counted_by_route_status_and_code(start_agent, sandbox):
    agent = await start_agent(MAX_REQUESTS_PER_MINUTE="2")
    token = sandbox.access_token("alice")
    await agent.ask(GREETING, token)
    await agent.ask(GREETING, "none")
    for _ in range(2):
        await agent.ask(GREETING, token)
    await agent.http.get(f"{agent.origin}/secret/path", headers={"Authorization": f"Bearer {token}"})
    await agent.http.request("PROPFIND", f"{agent.origin}/health")
    found = reading(agent)
    assert counts(found, "http.server.request.duration") == {
        ("POST", CHAT, "200"): 2,
        ("POST", "", "401"): 1,
        ("POST", "", "429"): 1,
        ("GET", "", "429"): 1,
        ("_OTHER", "", "401"): 1,
    }
    errors = counts(found, "idaas_agent.request.errors")
    assert errors == {("access_token_invalid",): 1, ("rate_limited",): 2, ("access_token_missing",): 1}
    assert found["http.server.active_requests"] == {(): 0}


async def test_run_is_measured_with_its_model_and_tool_calls(start_agent: StartAgent, sandbox: Any) -> None:
    agent = await start_agent()
    token = sandbox.access_token("alice")
    answer = await agent.ask(WEATHER, token, stream=True)
    assert answer.status == 200
    found = reading(agent)
    chat = ("chat", "openai", agent.composed.settings.llm_model)
    assert counts(found, "gen_ai.invoke_agent.duration") == {("",): 1}
    assert counts(found, "idaas_agent.run.time_to_first_token") == {(): 1}
    assert counts(found, "gen_ai.client.inference.duration") == {(*chat, ""): 2}
    assert counts(found, "gen_ai.client.inference.time_to_first_chunk") == {chat: 2}
    assert found["gen_ai.client.inference.usage.input_tokens"][chat]
    assert found["gen_ai.client.inference.usage.output_tokens"][chat]
    assert counts(found, "gen_ai.execute_tool.duration") == {("execute_tool", "maps_weather", "amap", ""): 1}
    assert found["idaas_agent.runs.open"] == {(): 0}
    assert {labels[0] for labels in found["idaas_agent.connection_pool.limit"]} >= {"idaas", "model", "amap"}


async def test_failures_are_counted_by_their_code(start_agent: StartAgent, sandbox: Any) -> None:
    agent = await start_agent()
    token = sandbox.access_token("alice")
    sandbox.cloud.faults.set("function_compute", Fault(status=500))
    await agent.ask(ENTERPRISE, token)
    sandbox.cloud.faults.set("model_studio", Fault(status=400))
    assert (await agent.ask(GREETING, token, stream=True)).code == "model_call_failed"
    found = reading(agent)
    failed = [labels for labels in found["gen_ai.execute_tool.duration"] if labels[-1]]
    assert [(labels[2], labels[3]) for labels in failed] == [("enterprise", "enterprise_service_failed")]
    assert counts(found, "gen_ai.invoke_agent.duration")["model_call_failed",] == 1
    assert counts(found, "idaas_agent.request.errors") == {("model_call_failed",): 1}
    assert [
        labels for labels in found["gen_ai.client.inference.duration"] if labels[-1] == "model_call_failed"
    ]


async def test_requests_to_idaas_and_uses_of_the_caches_are_counted(start_agent, sandbox):
    agent = await start_agent("Human")
    token = sandbox.access_token("alice")
    await agent.ask(ENTERPRISE, token)
    before = reading(agent)
    await agent.ask(ENTERPRISE, token)
    after = reading(agent)
    issued = counts(before, "idaas_agent.idaas.request.duration")
    assert issued["token_exchange", ""] >= 2
    assert issued["api_key_issue", ""] >= 1
    assert issued["signing_keys", ""] == 1
    assert counts(after, "idaas_agent.idaas.request.duration") == issued
    lookups = [found["idaas_agent.credential.lookups"] for found in (before, after)]
    assert lookups[1]["cached",] > lookups[0]["cached",]
    assert lookups[1]["requested",] == lookups[0]["requested",]
    verified = counts(after, "idaas_agent.access_token.verifications")
    assert verified["checked",] == 1
    assert verified["cached",] > 1


async def test_refusal_of_idaas_is_counted_by_its_code(start_agent: StartAgent, sandbox: Any) -> None:
    agent = await start_agent("Human")
    sandbox.cloud.faults.set("idaas.token", Fault(status=400))
    await agent.ask(GREETING, sandbox.access_token("alice"))
    failed = [labels for labels in reading(agent)["idaas_agent.idaas.request.duration"] if labels[1]]
    assert failed
    assert all(operation == "token_exchange" for operation, _ in failed)


async def test_the_public_port_has_no_metrics(start_agent: StartAgent, sandbox: Any) -> None:
    agent = await start_agent(METRICS_PORT="0")
    assert (await agent.http.get(f"{agent.origin}/metrics")).status_code == 401
    headers = {"Authorization": f"Bearer {sandbox.access_token('alice')}"}
    assert (await agent.http.get(f"{agent.origin}/metrics", headers=headers)).status_code == 404


async def test_revocations_in_force_are_counted_by_target(start_agent, sandbox, tmp_path):
    agent = await start_agent(REVOCATIONS_FILE=str(tmp_path / "revocations.sqlite"))
    now = sandbox.clock()
    revocation = Revocation(Target.USER, "user_alice01", Origin.OPERATOR, until=now + 60, changed_at=now)
    await agent.composed.revocation.put([revocation])
    assert counts(reading(agent), "idaas_agent.revocations") == {("user",): 1}


async def test_records_of_the_audit_log_and_failures_of_redis_are_counted(start_agent, sandbox):
    agent = await start_agent(REDIS_URL=f"redis://127.0.0.1:{free_port()}")
    await agent.ask(GREETING, sandbox.access_token("alice"))
    found = reading(agent)
    assert found["idaas_agent.audit.records"][()] >= 1
    assert found["idaas_agent.redis.failures"][()] >= 1
