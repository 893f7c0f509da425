"""An operator stops calls of an application: its governed tools, and its own requests, refuse them."""

import asyncio
from typing import Any

import httpx
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.prebuilt import ToolNode

from agent.errors.error_codes import AgentCode
from graph.call_steps.stops import Stops
from idaas_agent import Identity, ServiceError
from idaas_agent.library.app_tool import governed_tool
from identity.access_token.revocation import STOPPED, Origin, Revocation, Target
from identity.access_token.revocation_list import RevocationList
from identity.errors import UnreachableError
from sandbox.state.directory import AGENT, ResourceServer
from tests.library.called_app import CalledApp, MemoryIdentity, call, in_a_graph, results
from tests.suite import Sandbox
from tools.approval_policy import ApprovalMode, Effect, ToolPolicy

pytestmark = pytest.mark.promise("stopped-refused")


@pytest.mark.parametrize("stopped", [True, False])
async def test_stopped_tool_of_an_application_is_not_called(stopped: bool) -> None:
    sent: list[str] = []

    async def send(to: str) -> str:
        """Sends a mail."""
        sent.append(to)
        return "sent"

    revocations = RevocationList()
    identity = MemoryIdentity()
    identity.known_calls.stops = Stops(revocations, lambda: 1000.0)
    if stopped:
        revocations.apply(Revocation(Target.CALLS_OF_TOOL, "send", Origin.OPERATOR, STOPPED, 1000.0))
    policy = ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW)
    node = ToolNode([governed_tool(identity, send, policy)])
    app = CalledApp(identity, in_a_graph(node, InMemorySaver()))
    status, text = results(await app.ask(call("send", "call_1", to="ann")))["call_1"]
    assert (status, sent) == (("error", []) if stopped else ("success", ["ann"]))
    assert ("an operator stopped the tool send" in text) is stopped


def test_identity_knows_the_stops_of_the_revocations_that_it_follows(variables: dict[str, str]) -> None:
    identity = Identity.from_env(variables)
    stops = identity.known_calls.stops
    assert stops is not None
    identity.revocations.apply(Revocation(Target.ALL_CALLS, "", Origin.OPERATOR, STOPPED, identity.clock()))
    assert stops.decides({"name": "send", "args": {}, "id": "call_1"}, "app", {})


HOST = "hr.example.com"


@pytest.fixture
def granted(sandbox: Sandbox) -> Sandbox:
    """IDaaS has an audience that both may read, and two API keys."""
    audience = f"https://{HOST}"
    directory = sandbox.cloud.directory
    directory.resource_servers[audience] = ResourceServer(audience, ("hr.read",))
    directory.machine.add((AGENT, audience, "hr.read"))
    directory.delegated.add((AGENT, audience, "hr.read"))
    directory.people |= {(user.subject, audience, "hr.read") for user in directory.users.values()}
    sandbox.cloud.vault.add("hr-key", "canary", {AGENT}, now=sandbox.clock())
    return sandbox


def decides(identity: Identity, target: Target, name: str = "", until: float | None = STOPPED) -> None:
    identity.revocations.apply(Revocation(target, name, Origin.OPERATOR, until, identity.clock()))


class Requests:
    """The requests of an application's own code, outside of a tool, by each of its ways to a credential."""

    def __init__(self, identity: Identity, access_identity: str) -> None:
        self.sent: list[str] = []
        transport = httpx.MockTransport(self._received)
        auth = identity.auth(
            f"https://{HOST}|hr.read", url=f"https://{HOST}", access_identity=access_identity
        )
        self.client = httpx.AsyncClient(auth=auth, transport=transport)
        self.key = identity.api_key("hr-key", access_identity="Machine")
        self.identity = identity

    def _received(self, _request: httpx.Request) -> httpx.Response:
        self.sent.append("request")
        return httpx.Response(200)

    async def made(self) -> list[str]:
        """How each of them ends."""
        return [await self.end_of(self.client.get(f"https://{HOST}/days")), await self.end_of(self.key())]

    async def end_of(self, request: Any) -> str:
        try:
            await request
        except ServiceError as error:
            return error.code
        return "made"


MADE, REFUSED = "made", "calls_stopped"


@pytest.mark.parametrize("access_identity", ["Human", "Machine"])
@pytest.mark.parametrize(
    ("target", "name", "ends"),
    [
        (Target.ALL_CALLS, "", [REFUSED, REFUSED]),
        (Target.CALLS_OF_SERVICE, HOST, [REFUSED, MADE]),
        (Target.CALLS_OF_SERVICE, "hr-key", [MADE, REFUSED]),
        (Target.CALLS_OF_USER, "user_alice01", [REFUSED, REFUSED]),
        (Target.CALLS_OF_USER, "user_bob02", [MADE, MADE]),
        (Target.CALLS_OF_SERVICE, "leave", [MADE, MADE]),
    ],
)
async def test_request_of_an_application_outside_of_a_tool_is_refused_while_it_is_stopped(
    granted: Sandbox, identity: Identity, access_identity: str, target: Target, name: str, ends: list[str]
) -> None:
    requests = Requests(identity, access_identity)
    async with identity.acting_for(granted.access_token("alice")):
        assert await requests.made() == [MADE, MADE]
        decides(identity, target, name)
        assert await requests.made() == ends
        assert len(requests.sent) == 1 + (ends[0] == MADE)
        granted.clock.advance(1)
        decides(identity, target, name, until=None)
        assert await requests.made() == [MADE, MADE]


@pytest.mark.parametrize("way", ["auth", "api_key"])
async def test_credential_that_arrives_after_a_stop_is_not_used(
    granted: Sandbox, identity: Identity, way: str
) -> None:
    requests = Requests(identity, "Machine")
    await identity.parts()
    request = requests.key() if way == "api_key" else requests.client.get(f"https://{HOST}/days")
    in_progress = asyncio.create_task(requests.end_of(request))
    await asyncio.sleep(0)  # it waits for IDaaS
    decides(identity, Target.ALL_CALLS)
    assert await in_progress == REFUSED
    assert requests.sent == []


async def test_no_credential_is_obtained_for_a_stopped_request(granted: Sandbox, identity: Identity) -> None:
    requests = Requests(identity, "Machine")
    decides(identity, Target.ALL_CALLS)
    granted.cloud.counters.reset()
    assert await requests.made() == [REFUSED, REFUSED]
    assert granted.cloud.counters.snapshot() == {}


async def test_request_is_refused_until_the_stops_were_read(granted: Sandbox, identity: Identity) -> None:
    requests = Requests(identity, "Machine")
    await identity.parts()
    identity.revocations.unread = UnreachableError(AgentCode.REVOCATIONS_UNAVAILABLE, "not read")
    with pytest.raises(UnreachableError):
        await requests.key()


async def test_request_to_a_service_that_was_stopped_before_the_call_is_refused(
    granted: Sandbox, identity: Identity
) -> None:
    requests = Requests(identity, "Machine")

    async def send() -> str:
        """Sends."""
        return str(await requests.made())

    tool = identity.govern(send, ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW))
    decides(identity, Target.CALLS_OF_SERVICE, HOST)
    async with identity.acting_for(granted.access_token("alice")):
        assert REFUSED in await tool.ainvoke({})
    assert requests.sent == []


async def test_request_within_a_call_that_goes_on_is_part_of_it(granted: Sandbox, identity: Identity) -> None:
    requests = Requests(identity, "Machine")
    call_ended = asyncio.Event()
    later: list[asyncio.Task[list[str]]] = []

    async def made_later() -> list[str]:
        await call_ended.wait()
        return await requests.made()

    async def send() -> str:
        """Sends."""
        decides(identity, Target.ALL_CALLS)
        later.append(asyncio.create_task(made_later()))
        return str(await requests.made())

    tool = identity.govern(send, ToolPolicy(Effect.EXTERNAL, ApprovalMode.ALLOW))
    async with identity.acting_for(granted.access_token("alice")):
        assert await tool.ainvoke({}) == str([MADE, MADE])
        call_ended.set()
        assert await later[0] == [REFUSED, REFUSED]
