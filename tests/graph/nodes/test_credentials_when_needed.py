"""The node `credentials` resolves what the next step needs, and nothing else."""

import asyncio
import time

import pytest

from graph.context import AgentContext
from identity.credentials.requirement import AccessTokenRequirement, Credential
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, UnreachableError
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.graph.bench import AMAP_KEY, ENTERPRISE_SCOPE, bench
from tests.graph.echo_service import EchoService
from tests.graph.scripted_model import DONE, calls

pytestmark = pytest.mark.promise("fetched-once")

LEAVE = AccessTokenRequirement("https://leave.example|leave.read")


async def nodes(b, token: str = "alice-at") -> list[str]:
    """The nodes of a run, in the order in which they ended."""
    stream = b.graph.astream(
        {"messages": [("user", "hi")]}, context=AgentContext(Secret(token)), stream_mode="updates"
    )
    return [name async for part in stream for name in part]


async def test_question_without_tools_needs_only_the_models_key() -> None:
    services = (
        EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi"),
        EchoService("leave", LEAVE, balance="5"),
    )
    b = bench([DONE], *services, access_identity=AccessIdentity.HUMAN)
    assert await nodes(b) == ["authenticate", "credentials", "model"]
    assert b.vault.obtained == [("llm_api_key", "alice")]
    assert b.model.tools == [["invoke", "balance"]]


async def test_credential_of_a_listing_server_is_resolved_before_the_model() -> None:
    amap = EchoService("amap", AMAP_KEY, weather="sunny")
    amap.listed_by_its_server = True
    b = bench([DONE], amap, EchoService("leave", LEAVE, balance="5"))
    assert await nodes(b) == ["authenticate", "credentials", "model"]
    assert sorted(b.vault.obtained) == [("amap_api_key", "machine"), ("llm_api_key", "machine")]


async def test_credential_of_a_called_service_is_resolved_once() -> None:
    call = calls(("invoke", {}))
    services = (
        EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi"),
        EchoService("leave", LEAVE, balance="5"),
    )
    b = bench([call, call, DONE], *services)
    assert await nodes(b) == [
        "authenticate", "credentials", "model", "credentials", "enterprise", "model", "enterprise", "model",
    ]  # fmt: skip
    assert b.vault.obtained == [("llm_api_key", "machine"), (ENTERPRISE_SCOPE.scope, "machine")]


async def test_cached_credential_is_used_without_a_visit_of_the_node() -> None:
    enterprise = EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi")
    b = bench([calls(("invoke", {})), DONE], enterprise, access_identity=AccessIdentity.HUMAN)
    alice = Principal("https://idaas.example", "alice")
    secret = Secret("cached-for-alice")
    b.vault.kept[ENTERPRISE_SCOPE, "alice"] = Credential(
        ENTERPRISE_SCOPE, AccessIdentity.HUMAN, secret, time.time() + 600, alice
    )
    assert await nodes(b) == ["authenticate", "credentials", "model", "enterprise", "model"]
    assert [secret for _, _, secret in enterprise.calls] == ["cached-for-alice"]
    assert b.vault.obtained == [("llm_api_key", "alice")]


async def test_credentials_of_several_called_services_are_resolved_concurrently() -> None:
    both = asyncio.Barrier(2)
    b = bench(
        [calls(("weather", {}), ("invoke", {})), DONE],
        EchoService("amap", AMAP_KEY, weather="sunny"),
        EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi"),
    )
    obtain = b.vault.obtain

    class Meeting:
        cached, invalidate = b.vault.cached, b.vault.invalidate

        async def obtain(self, requirement, *more):
            if requirement in (AMAP_KEY, ENTERPRISE_SCOPE):
                await asyncio.wait_for(both.wait(), 5)
            return await obtain(requirement, *more)

    b.vault = Meeting()
    b.__post_init__()
    assert [message.type for message in await b.ask()] == ["ai", "tool", "tool", "ai"]


async def test_refused_credential_fails_the_calls_of_its_service_and_is_not_requested_again() -> None:
    leave, greeter = EchoService("leave", LEAVE, balance="5"), EchoService("greeter", greet="hello")
    both, again = calls(("balance", {}), ("greet", {})), calls(("balance", {}))
    b = bench([both, again, DONE], leave, greeter, access_identity=AccessIdentity.HUMAN)
    b.vault.failures[LEAVE.scope] = CredentialError(IdentityCode.TOKEN_EXCHANGE_FAILED, "access_denied")
    _, one, two, _, second, _ = await b.ask()
    first = {each.name: each for each in (one, two)}
    assert first["greet"].text == "hello"
    assert [first["balance"].artifact["error"], second.artifact["error"]] == ["token_exchange_failed"] * 2
    assert leave.calls == []
    assert b.vault.obtained.count((LEAVE.scope, "alice")) == 1


async def test_service_without_a_credential_is_called_at_once() -> None:
    b = bench([calls(("greet", {})), DONE], EchoService("greeter", greet="hello"))
    assert await nodes(b) == ["authenticate", "credentials", "model", "greeter", "model"]


@pytest.mark.parametrize("seconds", [20.0, -5.0])
async def test_expired_credential_is_resolved_again_by_the_node(seconds: float) -> None:
    call = calls(("invoke", {}))
    b = bench([call, call, DONE], EchoService("enterprise", ENTERPRISE_SCOPE, invoke="hi"))
    b.vault.lifetime = seconds
    visited = await nodes(b)
    assert visited.count("credentials") == 3
    assert [name for name, _ in b.vault.obtained].count(ENTERPRISE_SCOPE.scope) == 4


class RefusingList(EchoService):
    """A server that refuses the credential with which its tools are listed, when IDaaS is unreachable.

    With `keeps_its_list`, it goes on to offer the tools that it listed before.
    """

    keeps_its_list = False

    async def tools(self, access):
        refused = await access.credential()
        self.vault.failures["amap_api_key"] = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "no response")
        try:
            await access.renew(refused)
        except UnreachableError:
            if not self.keeps_its_list:
                raise
        return self.schemas


@pytest.mark.parametrize("keeps_its_list", [False, True])
async def test_renewal_that_fails_while_tools_are_listed_is_not_repeated_in_the_run(
    keeps_its_list: bool,
) -> None:
    amap, greeter = RefusingList("amap", AMAP_KEY, weather="sunny"), EchoService("greeter", greet="hello")
    amap.listed_by_its_server, amap.keeps_its_list = True, keeps_its_list
    b = bench([calls(("weather", {})), calls(("weather", {})), DONE], amap, greeter)
    amap.vault = b.vault
    _, first, _, second, _ = await b.ask()
    assert all("idaas_unreachable" in each.text for each in (first, second))
    assert [name for name, _ in b.vault.obtained].count("amap_api_key") == 2
