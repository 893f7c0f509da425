"""The identity of a run: its caller, the token that each node needs, and the credentials that it uses."""

import asyncio

import pytest

from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.limits import Limits
from identity.error_codes import IdentityCode
from identity.errors import AccessTokenError, CredentialError, ServiceError, UnreachableError
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, ENTERPRISE_SCOPE, Bench, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls


async def test_without_the_models_key_the_run_fails_with_the_reason() -> None:
    b = bench([DONE], EchoService("amap"))
    b.vault.failures["llm_api_key"] = CredentialError(GraphCode.LLM_API_KEY_UNAVAILABLE, "not granted")
    with pytest.raises(CredentialError) as caught:
        await b.ask()
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE
    assert b.model.asked == []


async def test_credential_that_is_not_issued_in_time_is_unreachable() -> None:
    b = bench([DONE], EchoService("amap", AMAP_KEY, weather="x"), limits=Limits(credentials_seconds=0.05))
    b.vault.hang = {"amap_api_key"}
    b.services[0].listing = None
    assert (await b.ask())[-1].text == "done"
    b.vault.hang = {"llm_api_key"}
    with pytest.raises(UnreachableError) as caught:
        await b.ask()
    assert caught.value.code is IdentityCode.IDAAS_UNREACHABLE


async def test_run_without_a_token_makes_no_request() -> None:
    b = bench([DONE], EchoService("amap"))
    with pytest.raises(AccessTokenError) as caught:
        await b.graph.ainvoke({"messages": [("user", "hi")]})
    assert caught.value.code is GraphCode.ACCESS_TOKEN_MISSING
    assert (b.tokens.verified, b.vault.obtained, b.model.asked) == ([], [], [])


async def test_token_as_plain_text_is_not_accepted() -> None:
    b = bench([DONE], EchoService("amap"))
    with pytest.raises(AccessTokenError):
        await b.graph.ainvoke({"messages": [("user", "hi")]}, context={"access_token": "alice-at"})
    assert b.tokens.verified == []


async def test_human_identity_uses_the_callers_credentials_and_never_the_machines() -> None:
    amap = EchoService("amap", AMAP_KEY, weather="x")
    enterprise = EchoService("enterprise", ENTERPRISE_SCOPE, access_identity=AccessIdentity.HUMAN, invoke="y")
    b = bench(
        [calls(("weather", {}), ("invoke", {})), DONE], amap, enterprise, access_identity=AccessIdentity.HUMAN
    )
    await b.ask(token="bob-at")
    assert {owner for _, owner in b.vault.obtained} == {"bob"}
    b.vault.failures[ENTERPRISE_SCOPE.scope] = CredentialError(
        IdentityCode.TOKEN_EXCHANGE_FAILED, "access_denied"
    )
    b.model.turns[:] = [calls(("invoke", {})), DONE]
    _, result, _ = await b.ask(token="bob-at")
    assert "token_exchange_failed" in result.text
    assert {owner for _, owner in b.vault.obtained} == {"bob"}


async def test_service_may_be_human_in_a_machine_agent() -> None:
    leave = EchoService("leave", ENTERPRISE_SCOPE, access_identity=AccessIdentity.HUMAN, balance="5 days")
    b = bench([calls(("balance", {})), DONE], leave)
    _, result, _ = await b.ask()
    assert sorted(b.vault.obtained) == [(ENTERPRISE_SCOPE.scope, "alice"), ("llm_api_key", "machine")]
    assert result.artifact["access_identity"] == "Human"


async def test_renewed_credential_is_used_for_the_rest_of_the_run() -> None:
    amap = EchoService("amap", AMAP_KEY, weather="x")
    amap.renew_first = True
    b = bench([calls(("weather", {}), ("weather", {})), calls(("weather", {})), DONE], amap)
    await b.ask()
    assert len(b.vault.invalidated) == 2  # once in each of the two steps, not once for each call
    assert [secret for _, _, secret in amap.calls] == [
        "amap_api_key-of-machine-1", "amap_api_key-of-machine-1", "amap_api_key-of-machine-2",
    ]  # fmt: skip


async def test_refused_model_key_is_renewed_once() -> None:
    refused = ServiceError(GraphCode.MODEL_CALL_FAILED, "status 401", status=401)
    b = bench([refused, DONE], EchoService("amap"))
    assert (await b.ask())[-1].text == "done"
    assert b.model.keys == ["llm_api_key-of-machine-0", "llm_api_key-of-machine-1"]
    b.model.turns[:] = [refused]
    with pytest.raises(ServiceError):
        await b.ask()
    assert len(b.model.keys) == 4


async def test_concurrent_users_each_use_their_own_key() -> None:
    def turn(messages):
        return DONE if messages[-1].type == "tool" else calls(("weather", {"who": messages[-1].text}))

    amap = EchoService("amap", AMAP_KEY, weather="x")
    b = bench([turn], amap, access_identity=AccessIdentity.HUMAN)
    await asyncio.gather(*(b.ask(f"user{n}", token=f"user{n}-at") for n in range(20)))
    assert sorted((arguments["who"], secret) for _, arguments, secret in amap.calls) == sorted(
        (f"user{n}", f"amap_api_key-of-user{n}-0") for n in range(20)
    )
    for messages, key in zip(b.model.asked, b.model.keys, strict=True):
        user = next(m.text for m in messages if m.type == "human")
        assert key == f"llm_api_key-of-{user}-0"


async def updates(b: Bench) -> list[tuple[str, dict]]:
    stream = b.graph.astream(
        {"messages": [("user", "hi")]}, context=AgentContext(Secret("alice-at")), stream_mode="updates"
    )
    return [update async for part in stream for update in part.items()]


async def test_each_visit_of_a_node_verifies_and_records_the_caller() -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    visits = await updates(b)
    assert [name for name, _ in visits] == ["authenticate", "credentials", "model", "amap", "model"]
    assert b.tokens.verified == ["alice-at"] * 5
    alice = {"issuer": "https://idaas.example", "subject": "alice"}
    assert [update["principal"] for _, update in visits] == [alice] * 5


@pytest.mark.parametrize("visit", range(1, 6))
async def test_refused_token_stops_the_run_at_each_node(visit: int) -> None:
    b = bench([calls(("weather", {})), DONE], EchoService("amap", weather="sunny"))
    verify = b.tokens.verify

    async def refuse_at_the_visit(token: Secret):
        if len(b.tokens.verified) == visit - 1:
            b.tokens.refused.add("alice-at")
        return await verify(token)

    b.tokens.verify = refuse_at_the_visit
    with pytest.raises(AccessTokenError):
        await updates(b)
    assert len(b.tokens.verified) == visit
    assert bool(b.vault.obtained) == (visit > 2)
    assert len(b.model.asked) == (visit > 3)
