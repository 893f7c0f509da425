"""The node `credentials` resolves what the next step needs, and nothing else."""

import asyncio
import time

import pytest

from graph.context import AgentContext
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, Credential
from identity.error_codes import IdentityCode
from identity.errors import CredentialError
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.graph.conftest import BenchOf, CallTools
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE

pytestmark = pytest.mark.promise("fetched-once")

LEAVE = AccessTokenRequirement("https://leave.example|leave.read")


async def nodes(b, token: str = "alice-at") -> list[str]:
    """The nodes of a run, in the order in which they ended."""
    stream = b.graph.astream(
        {"messages": [("user", "hi")]}, context=AgentContext(Secret(token)), stream_mode="updates"
    )
    return [name async for part in stream for name in part]


async def test_question_without_tools_needs_only_the_models_key(
    bench: BenchOf, echo: type[EchoService], enterprise_scope: AccessTokenRequirement
) -> None:
    services = (echo("enterprise", enterprise_scope, invoke="hi"), echo("leave", LEAVE, balance="5"))
    b = bench([DONE], *services, access_identity=AccessIdentity.HUMAN)
    assert await nodes(b) == ["authenticate", "credentials", "model"]
    assert b.vault.obtained == [("llm_api_key", "alice")]
    assert b.model.tools == [["invoke", "balance"]]


async def test_credential_of_a_listing_server_is_resolved_before_the_model(
    bench: BenchOf, echo: type[EchoService], amap_key: ApiKeyRequirement
) -> None:
    amap = echo("amap", amap_key, weather="sunny")
    amap.listed_by_its_server = True
    b = bench([DONE], amap, echo("leave", LEAVE, balance="5"))
    assert await nodes(b) == ["authenticate", "credentials", "model"]
    assert sorted(b.vault.obtained) == [("amap_api_key", "machine"), ("llm_api_key", "machine")]


async def test_credential_of_a_called_service_is_resolved_once(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools, enterprise_scope: AccessTokenRequirement
) -> None:
    call = call_tools(("invoke", {}))
    services = (echo("enterprise", enterprise_scope, invoke="hi"), echo("leave", LEAVE, balance="5"))
    b = bench([call, call, DONE], *services)
    assert await nodes(b) == [
        "authenticate", "credentials", "model", "credentials", "enterprise", "model", "enterprise", "model",
    ]  # fmt: skip
    assert b.vault.obtained == [("llm_api_key", "machine"), (enterprise_scope.scope, "machine")]


async def test_cached_credential_is_used_without_a_visit_of_the_node(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools, enterprise_scope: AccessTokenRequirement
) -> None:
    enterprise = echo("enterprise", enterprise_scope, invoke="hi")
    b = bench([call_tools(("invoke", {})), DONE], enterprise, access_identity=AccessIdentity.HUMAN)
    alice = Principal("https://idaas.example", "alice")
    secret = Secret("cached-for-alice")
    b.vault.kept[enterprise_scope, "alice"] = Credential(
        enterprise_scope, AccessIdentity.HUMAN, secret, time.time() + 600, alice
    )
    assert await nodes(b) == ["authenticate", "credentials", "model", "enterprise", "model"]
    assert [secret for _, _, secret in enterprise.calls] == ["cached-for-alice"]
    assert b.vault.obtained == [("llm_api_key", "alice")]


async def test_credentials_of_several_called_services_are_resolved_concurrently(
    bench: BenchOf,
    echo: type[EchoService],
    call_tools: CallTools,
    amap_key: ApiKeyRequirement,
    enterprise_scope: AccessTokenRequirement,
) -> None:
    both = asyncio.Barrier(2)
    b = bench(
        [call_tools(("weather", {}), ("invoke", {})), DONE],
        echo("amap", amap_key, weather="sunny"),
        echo("enterprise", enterprise_scope, invoke="hi"),
    )
    obtain = b.vault.obtain

    class Meeting:
        cached, invalidate = b.vault.cached, b.vault.invalidate

        async def obtain(self, requirement, *more):
            if requirement in (amap_key, enterprise_scope):
                await asyncio.wait_for(both.wait(), 5)
            return await obtain(requirement, *more)

    b.vault = Meeting()
    b.__post_init__()
    assert [message.type for message in await b.ask()] == ["ai", "tool", "tool", "ai"]


async def test_refused_credential_fails_the_call_and_is_not_requested_again_in_the_run(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools
) -> None:
    leave = echo("leave", LEAVE, balance="5")
    call = call_tools(("balance", {}))
    b = bench([call, call, DONE], leave, access_identity=AccessIdentity.HUMAN)
    b.vault.failures[LEAVE.scope] = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "access_denied")
    _, first, _, second, _ = await b.ask()
    assert [first.artifact["error"], second.artifact["error"]] == ["token_exchange_failed"] * 2
    assert leave.calls == []
    assert b.vault.obtained.count((LEAVE.scope, "alice")) == 1


async def test_service_without_a_credential_is_called_at_once(
    bench: BenchOf, echo: type[EchoService], call_tools: CallTools
) -> None:
    b = bench([call_tools(("greet", {})), DONE], echo("greeter", greet="hello"))
    assert await nodes(b) == ["authenticate", "credentials", "model", "greeter", "model"]


@pytest.mark.parametrize("seconds", [20.0, -5.0])
async def test_expired_credential_is_resolved_again_by_the_node(
    bench: BenchOf,
    echo: type[EchoService],
    call_tools: CallTools,
    enterprise_scope: AccessTokenRequirement,
    seconds: float,
) -> None:
    call = call_tools(("invoke", {}))
    b = bench([call, call, DONE], echo("enterprise", enterprise_scope, invoke="hi"))
    b.vault.lifetime = seconds
    visited = await nodes(b)
    assert visited.count("credentials") == 3
    assert [name for name, _ in b.vault.obtained].count(enterprise_scope.scope) == 4
