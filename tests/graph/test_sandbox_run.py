"""Complete runs: real identity, graph, tools and model client, against the sandbox."""

import asyncio
import ssl
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from langchain_core.messages import ToolMessage

from agent.composition.extensions import services
from agent.settings.settings import read_settings
from graph.build import compiled_graph
from graph.context import AgentContext
from graph.error_codes import GraphCode
from graph.models.openai_compatible import model_studio
from graph.parts import RunIdentity, RunModel, graph_parts
from identity.access_token.verifier import AccessTokenVerifier
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import ApiKeyRequirement
from identity.errors import AccessTokenError, CredentialError
from identity.idaas.client import IDaaSClient
from identity.idaas.configuration import read_sdk_configuration
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.signing_keys.jwks import Jwks
from sandbox.faults.faults import Fault

WEATHER = "What is the weather in Hangzhou right now?"
ENTERPRISE = "Call my enterprise service"
LEAVE = "How many days of leave do I have left?"


class Agent:
    """An agent of the sandbox, composed as by the composition root."""

    def __init__(self, sandbox, access_identity: AccessIdentity, llm_api_key: str = "llm_api_key") -> None:
        variables = sandbox.environment
        tls: ssl.SSLContext = sandbox.ssl_context
        configuration = read_sdk_configuration(Path(variables["CLOUD_IDAAS_CONFIG_PATH"]), variables)
        self.sandbox = sandbox
        self.sent: Counter[str] = Counter()
        """The requests to IDaaS, by address: of this agent alone, whatever else the sandbox receives."""

        async def count(request: httpx.Request) -> None:
            self.sent[str(request.url)] += 1

        self.http = httpx.AsyncClient(verify=tls, event_hooks={"request": [count]})
        self.jwks = Jwks(variables["JWKS_ENDPOINT"], self.http, clock=sandbox.clock)
        self.broker = CredentialBroker(
            IDaaSClient(configuration, self.http, clock=sandbox.clock), clock=sandbox.clock
        )
        self.model = model_studio(
            base_url=variables["LLM_BASE_URL"], model="qwen-plus", ssl_context=tls, max_retries=0
        )
        self.services = services(read_settings(variables), tls, installed=())
        identity = RunIdentity(
            verifier=AccessTokenVerifier(
                issuer=sandbox.issuer,
                audience=variables["AGENT_AUDIENCE"],
                scope=variables["AGENT_SCOPE"],
                keys=self.jwks,
                clock=sandbox.clock,
            ),
            credentials=self.broker,
            access_identity=access_identity,
        )
        key = ApiKeyRequirement(llm_api_key, GraphCode.LLM_API_KEY_UNAVAILABLE)
        model = RunModel(provider=self.model, api_key=key)
        self.graph = compiled_graph(
            graph_parts(self.services, identity=identity, model=model, clock=sandbox.clock)
        )

    async def aclose(self) -> None:
        for service in self.services:
            await service.aclose()
        await self.broker.aclose()
        await self.jwks.aclose()
        await self.model.aclose()
        await self.http.aclose()

    async def ask(self, question: str, token: str | None = None) -> list:
        context = AgentContext(Secret(token or self.sandbox.access_token("alice")))
        result = await self.graph.ainvoke({"messages": [("user", question)]}, context=context)
        return result["messages"][1:]

    def counts(self) -> Counter:
        """The requests to the cloud since the last call."""
        counted = Counter(self.sandbox.cloud.counters.snapshot())
        self.sandbox.cloud.counters.reset()
        return counted


@pytest.fixture
async def agent(sandbox):
    async with AsyncExitStack() as stack:

        def make(access_identity, **options):
            agent = Agent(sandbox, access_identity, **options)
            stack.push_async_callback(agent.aclose)
            return agent

        yield make


def idaas_requests(counts: Counter) -> dict[str, int]:
    return {name: n for name, n in counts.items() if name.startswith(("idaas:", "developer_api:"))}


IDENTITIES = pytest.mark.parametrize("identity", list(AccessIdentity))


@IDENTITIES
async def test_warm_run_answers_without_a_request_to_idaas(agent: Any, identity: AccessIdentity) -> None:
    a = agent(identity)
    token = a.sandbox.access_token("alice")
    *_, result, answer = await a.ask(WEATHER, token)
    assert isinstance(result, ToolMessage)
    assert (result.status, result.artifact["access_identity"]) == ("success", identity)
    assert "杭州" in answer.text or "Hangzhou" in answer.text
    a.counts()
    *_, answer = await a.ask(WEATHER, token)
    assert answer.usage_metadata["total_tokens"] > 0
    assert a.counts() == {"model_studio:chat.completions": 2, "amap:tools/call": 1}


@IDENTITIES
async def test_enterprise_service_receives_the_identity_that_was_used(
    agent: Any, identity: AccessIdentity
) -> None:
    *_, result, _ = await agent(identity).ask(ENTERPRISE)
    assert result.status == "success"
    assert ("alice" in result.text) is (identity is AccessIdentity.HUMAN)
    assert ("app_agent01" in result.text) or identity is AccessIdentity.HUMAN


async def test_leave_is_read_as_the_employee_in_a_machine_agent(agent: Any) -> None:
    a = agent(AccessIdentity.MACHINE)
    *_, result, _ = await a.ask(LEAVE)
    assert (result.status, result.artifact["access_identity"]) == ("success", "Human")
    *_, result, _ = await a.ask(LEAVE, a.sandbox.access_token("bob"))
    assert (result.status, result.artifact["error"]) == ("error", "token_exchange_failed")


@IDENTITIES
async def test_hundred_concurrent_first_chats_fetch_each_credential_once(
    agent: Any, identity: AccessIdentity
) -> None:
    a = agent(identity)
    token = a.sandbox.access_token("alice")
    answers = await asyncio.gather(*(a.ask("hello", token) for _ in range(100)))
    assert all(messages[-1].text for messages in answers)
    counts = idaas_requests(a.counts())
    tokens = counts.pop("idaas:token.client_credentials", 0), counts.pop("idaas:token.token_exchange", 0)
    # For PAM alone: a greeting needs no token for a service.
    assert tokens == ((1, 0) if identity is AccessIdentity.MACHINE else (0, 1))
    assert a.sent[a.sandbox.environment["JWKS_ENDPOINT"]] == 1
    assert counts.pop("idaas:jwks") >= 1  # perhaps with a request of a process that an earlier test has ended
    assert counts == {"developer_api:ObtainCredential": 2}


async def test_key_replaced_in_idaas_is_used_without_a_restart(agent: Any) -> None:
    a = agent(AccessIdentity.MACHINE)
    await a.ask(WEATHER)
    for identifier in ("llm_api_key", "amap_api_key"):
        credential = a.sandbox.cloud.vault.find(identifier)
        credential.former_keys.append(credential.api_key)
        credential.api_key = "sk-" + "new" * 10
    a.sandbox.clock.advance(5)  # a younger credential is not renewed
    *_, result, answer = await a.ask(WEATHER)
    assert result.status == "success"
    assert answer.text


async def test_wrong_identifier_of_the_models_key_fails_with_its_code(agent: Any) -> None:
    with pytest.raises(CredentialError) as caught:
        await agent(AccessIdentity.MACHINE, llm_api_key="no_such_key").ask("hello")
    assert caught.value.code is GraphCode.LLM_API_KEY_UNAVAILABLE


async def test_token_with_a_wrong_audience_or_an_expired_one_is_refused(agent: Any) -> None:
    a = agent(AccessIdentity.MACHINE)
    for token in (
        a.sandbox.access_token("alice", audience="https://other.example"),
        a.sandbox.access_token("alice", exp=1),
    ):
        with pytest.raises(AccessTokenError):
            await a.ask("hello", token)
    assert idaas_requests(a.counts()) == {}


async def test_unavailable_map_server_does_not_fail_a_chat_without_maps(agent: Any) -> None:
    a = agent(AccessIdentity.MACHINE)
    a.sandbox.cloud.faults.set("amap", Fault(status=503))
    assert (await a.ask("hello"))[-1].text
    *_, result, _ = await a.ask(ENTERPRISE)
    assert result.status == "success"
    a.sandbox.cloud.faults.clear()
    *_, result, _ = await a.ask(WEATHER)
    assert result.status == "success"


async def test_warm_agent_works_while_idaas_is_down(agent: Any) -> None:
    a = agent(AccessIdentity.MACHINE)
    token = a.sandbox.access_token("alice")
    await a.ask(WEATHER, token)
    for service in ("idaas.token", "idaas.jwks", "developer_api"):
        a.sandbox.cloud.faults.set(service, Fault(status=503))
    *_, result, answer = await a.ask(WEATHER, token)
    assert result.status == "success"
    assert answer.text


async def test_no_credential_reaches_a_prompt(agent: Any) -> None:
    a = agent(AccessIdentity.HUMAN)
    for question in (WEATHER, ENTERPRISE, LEAVE):
        await a.ask(question)
    assert a.counts()["model_studio:credential_in_prompt"] == 0
