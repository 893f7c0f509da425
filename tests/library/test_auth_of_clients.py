"""`Identity.auth` authenticates an application's own HTTP clients, and nobody else gets the credential."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import httpx
import httpx2
import jwt
import pytest

from idaas_agent import AccessTokenError, CredentialError, Identity, ServiceError
from identity.access_token.revocation import Origin, Revocation, Target
from sandbox.state.directory import AGENT, ResourceServer, User
from tests.suite import Sandbox

AUDIENCE = "https://hr.example.com"
URL = f"{AUDIENCE}/api"
CANARY = "canary-api-key"
PLACEMENTS: dict[str, Any] = {
    "bearer": None,
    "header": {"header": "X-API-Key"},
    "scheme": {"header": "X-Auth", "scheme": "Token"},
    "query": {"query": "key"},
}


@dataclass(frozen=True)
class Arrived:
    """A request as a transport reads it."""

    url: str
    head: str
    authorization: str

    @classmethod
    def of(cls, request: Any) -> "Arrived":
        headers = {name.lower(): value.decode() for name, value in request.headers.raw}
        head = f"{request.url.raw_path!r} {headers} {request.extensions}"
        return cls(str(request.url), head, headers.get(b"authorization", ""))


@dataclass
class Server:
    """Answers by path, in order, the last one again and again; else 200."""

    library: ModuleType
    answers: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    arrived: list[Arrived] = field(default_factory=list)

    def __call__(self, request: Any) -> Any:
        self.arrived.append(Arrived.of(request))
        answers = self.answers.get(request.url.path, [(200, {})])
        status, headers = answers.pop(0) if len(answers) > 1 else answers[0]
        return self.library.Response(status, headers=headers)

    def client(self, auth: Any, **options: Any) -> Any:
        transport = self.library.MockTransport(self)
        return self.library.AsyncClient(transport=transport, auth=auth, trust_env=False, **options)


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.param)


@pytest.fixture
def granted(sandbox: Sandbox) -> Sandbox:
    """IDaaS has the audience, where people and the application may read, and an API key."""
    directory = sandbox.cloud.directory
    directory.resource_servers[AUDIENCE] = ResourceServer(AUDIENCE, ("hr.read",))
    directory.machine.add((AGENT, AUDIENCE, "hr.read"))
    directory.delegated.add((AGENT, AUDIENCE, "hr.read"))
    directory.people |= {(user.subject, AUDIENCE, "hr.read") for user in directory.users.values()}
    sandbox.cloud.vault.add("hr-key", CANARY, {AGENT}, now=sandbox.clock())
    return sandbox


@pytest.fixture
def human(granted: Sandbox, identity: Identity) -> Any:
    return identity.auth(f"{AUDIENCE}|hr.read", url=URL, access_identity="Human")


@pytest.fixture
def machine(granted: Sandbox, identity: Identity) -> Any:
    return identity.auth(f"{AUDIENCE}|hr.read", url=URL, access_identity="Machine")


@pytest.fixture
def keyed(granted: Sandbox, identity: Identity) -> Callable[..., Any]:
    """An auth object with an API key, placed as given."""
    return lambda placement=None: identity.auth(api_key="hr-key", url=URL, placement=placement)


def subject_of(authorization: str) -> str:
    """Whose token for the service it is."""
    claims = jwt.decode(authorization.removeprefix("Bearer "), options={"verify_signature": False})
    assert AUDIENCE in claims["aud"]
    return str(claims["sub"])


@pytest.mark.promise("human-stays-human")
async def test_request_carries_the_token_of_its_caller(
    granted: Sandbox, identity: Identity, human: Any, server: Server
) -> None:
    async with server.client(human) as client:
        for user in ("alice", "bob", "alice"):
            async with identity.acting_for(granted.access_token(user)) as caller:
                assert (await client.get(f"{URL}/days")).status_code == 200
            assert subject_of(server.arrived[-1].authorization) == caller.subject


@pytest.mark.promise("human-stays-human")
async def test_request_for_nobody_is_not_sent_under_human_identity(human: Any, server: Server) -> None:
    async with server.client(human) as client:
        with pytest.raises(AccessTokenError, match="access_token_missing"):
            await client.get(URL)
    assert server.arrived == []


@pytest.mark.promise("human-stays-human")
async def test_refused_exchange_does_not_become_the_applications_rights(
    granted: Sandbox, identity: Identity, human: Any, server: Server
) -> None:
    alice = granted.cloud.directory.users["alice"].subject
    granted.cloud.directory.people.discard((alice, AUDIENCE, "hr.read"))
    async with server.client(human) as client, identity.acting_for(granted.access_token("alice")):
        with pytest.raises(CredentialError):
            await client.get(URL)
    assert server.arrived == []


@pytest.mark.promise("revoked-refused")
async def test_caller_who_is_revoked_meanwhile_gets_no_credential(
    granted: Sandbox, identity: Identity, human: Any, server: Server
) -> None:
    now = granted.clock()
    alice = granted.access_token("alice")
    async with server.client(human) as client, identity.acting_for(alice) as caller:
        await client.get(URL)
        identity.revocations.apply(Revocation(Target.USER, caller.subject, Origin.OPERATOR, now, now))
        with pytest.raises(AccessTokenError, match="access_revoked"):
            await client.get(URL)
    assert len(server.arrived) == 1


async def test_machine_identity_needs_no_caller(machine: Any, server: Server) -> None:
    async with server.client(machine) as client:
        await client.get(URL)
    assert subject_of(server.arrived[0].authorization) == AGENT


@pytest.mark.promise("users-never-cross", "fetched-once")
async def test_twenty_users_at_once_never_cross_and_have_one_exchange_each(
    granted: Sandbox, identity: Identity, human: Any, server: Server
) -> None:
    directory, names = granted.cloud.directory, [f"user{number}" for number in range(20)]
    for name in names:
        directory.users[name] = User(name, f"subject_of_{name}", name, "password")
        directory.people.add((f"subject_of_{name}", AUDIENCE, "hr.read"))
    tokens = {name: granted.access_token(name) for name in names}
    granted.cloud.counters.reset()

    async def ask(name: str) -> None:
        async with identity.acting_for(tokens[name]):
            for _ in range(3):
                await client.get(f"{URL}/{name}")

    async with server.client(human) as client:
        await asyncio.gather(*(ask(name) for name in names * 2))
    whose = {(each.url.rpartition("/")[2], subject_of(each.authorization)) for each in server.arrived}
    assert len(server.arrived) == 120
    assert whose == {(name, f"subject_of_{name}") for name in names}
    counted = granted.cloud.counters.snapshot()
    assert [count for name, count in counted.items() if "exchange" in name] == [20]


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("follow", [True, False], ids=["following", "not following"])
@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize(
    "target", ["https://evil.example.com/", f"{AUDIENCE}/other", "https://hr.example.com:8443/api"]
)
async def test_redirect_gets_no_credential(
    keyed: Any, server: Server, placement: Any, follow: bool, status: int, target: str
) -> None:
    server.answers["/api/moved"] = [(status, {"Location": target})]
    async with server.client(keyed(placement), follow_redirects=follow) as client:
        response = await client.post(f"{URL}/moved", json={"days": 1})
    first, *others = server.arrived
    assert CANARY in first.head
    assert [each.url for each in others] == [target] * follow
    assert not any(CANARY in each.head for each in others)
    if response.next_request is not None:
        assert CANARY not in Arrived.of(response.next_request).head


async def test_redirect_within_the_url_is_authenticated_anew(keyed: Any, server: Server) -> None:
    server.answers["/api/list"] = [(307, {"Location": "/api/list/"})]
    server.answers["/api/list/"] = [(401, {}), (200, {})]
    async with server.client(keyed(), follow_redirects=True) as client:
        assert (await client.get(f"{URL}/list")).status_code == 200
    assert [(each.url, CANARY in each.head) for each in server.arrived] == [
        (f"{URL}/list", True),
        (f"{URL}/list/", False),
        (f"{URL}/list/", True),
    ]


async def test_refusal_after_a_redirect_elsewhere_renews_nothing(keyed: Any, server: Server) -> None:
    server.answers["/api"] = [(302, {"Location": "https://other.example.com/"})]
    server.answers["/"] = [(401, {})]
    async with server.client(keyed(), follow_redirects=True) as client:
        assert (await client.get(URL)).status_code == 401
    assert len(server.arrived) == 2


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("https://evil.example.com/api", {}),
        ("http://hr.example.com/api", {}),
        ("https://hr.example.com:8443/api", {}),
        (f"{AUDIENCE}/apis", {}),
        (f"{AUDIENCE}/api/../other", {}),
        (f"{AUDIENCE}/api/%2e%2e/other", {}),
        (f"{AUDIENCE}/api/%2e%2e%2fother", {}),
        (f"{AUDIENCE}/api/..%5cother", {}),
        ("https://user@hr.example.com/api", {}),
        (URL, {"headers": {"Host": "evil.example.com"}}),
        (URL, {"extensions": {"target": b"/other"}}),
    ],
)
async def test_request_to_another_url_is_refused_with_a_sentence(
    keyed: Any, server: Server, url: str, options: dict[str, Any]
) -> None:
    async with server.client(keyed()) as client:
        with pytest.raises(ServiceError) as caught:
            await client.get(url, **options)
    assert caught.value.detail == '"hr.example.com" has a credential for its own URL only'
    assert server.arrived == []


async def test_refused_credential_is_renewed_once(
    granted: Sandbox, identity: Identity, human: Any, server: Server
) -> None:
    server.answers["/api"] = [(401, {})]
    async with server.client(human) as client, identity.acting_for(granted.access_token("alice")):
        await client.get(f"{URL}/warm")
        granted.clock.advance(60)
        assert (await client.get(URL)).status_code == 401
    before, first, second = (each.authorization for each in server.arrived)
    assert before == first != second


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("placement", PLACEMENTS.values(), ids=PLACEMENTS)
async def test_credential_is_shown_by_no_log_and_no_repr(
    keyed: Any, server: Server, placement: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    auth = keyed(placement)

    async def hook(request: Any) -> None:
        seen.append(f"{request.headers} {dict(request.headers)} {request.url} {request!r}")

    seen: list[str] = []
    async with server.client(auth, event_hooks={"request": [hook]}) as client:
        response = await client.get(f"{URL}?days=1")
    sent = response.request
    shown = f"{caplog.text} {seen} {auth!r} {sent!r} {sent.url} {sent.headers}"
    assert CANARY in server.arrived[0].head
    assert CANARY not in shown
    assert server.arrived[0].url == f"{URL}?days=1"


async def test_tracer_that_replaces_headers_leaves_the_credential(keyed: Any, server: Server) -> None:
    async def trace(request: Any) -> None:
        request.headers = server.library.Headers({**request.headers, "traceparent": "00-1"})

    async with server.client(keyed(), event_hooks={"request": [trace]}) as client:
        await client.get(URL)
    [arrived] = server.arrived
    assert arrived.authorization == f"Bearer {CANARY}"
    assert "00-1" in arrived.head


@pytest.mark.promise("no-secret-leaves")
async def test_hook_that_sends_the_request_elsewhere_loses_the_credential(keyed: Any, server: Server) -> None:
    async def divert(request: Any) -> None:
        request.url = server.library.URL("https://evil.example.com/")

    async with server.client(keyed(), event_hooks={"request": [divert]}) as client:
        await client.get(URL)
    [arrived] = server.arrived
    assert CANARY not in arrived.head


async def test_header_of_the_client_does_not_replace_the_credential(keyed: Any, server: Server) -> None:
    async with server.client(keyed(), headers={"Authorization": "Bearer own"}) as client:
        await client.get(URL)
    [arrived] = server.arrived
    assert arrived.authorization == f"Bearer {CANARY}"


def test_client_without_an_event_loop_is_refused_with_a_sentence(machine: Any, server: Server) -> None:
    transport = server.library.MockTransport(server)
    client = server.library.Client(transport=transport, auth=machine, trust_env=False)
    with client, pytest.raises(RuntimeError, match="needs an asynchronous client"):
        client.get(URL)
    assert server.arrived == []


@pytest.mark.parametrize(
    ("scope", "options"),
    [
        (None, {"url": URL}),
        ("https://hr.example.com|hr.read", {"url": URL, "api_key": "hr-key"}),
        ("hr.read", {"url": URL}),
        ("https://hr.example.com|hr.read", {"url": "http://hr.example.com"}),
        ("https://hr.example.com|hr.read", {"url": f"{URL}?tenant=1"}),
        ("https://hr.example.com|hr.read", {"url": URL, "access_identity": "Both"}),
        ("https://hr.example.com|hr.read", {"url": URL, "placement": {"header": "Cookie"}}),
    ],
)
async def test_declaration_that_cannot_be_used_is_refused_at_once(
    identity: Identity, scope: str | None, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"."):
        identity.auth(scope, **options)


async def test_api_key_is_read_for_the_caller(granted: Sandbox, identity: Identity) -> None:
    granted.cloud.vault.add("hr-key", CANARY, {granted.cloud.directory.users["alice"].subject}, now=0)
    key = identity.api_key("hr-key", access_identity="Human")
    async with identity.acting_for(granted.access_token("alice")):
        assert await key() == CANARY
    async with identity.acting_for(granted.access_token("bob")):
        with pytest.raises(CredentialError):
            await key()
    with pytest.raises(AccessTokenError, match="access_token_missing"):
        await key()
    assert await identity.api_key("hr-key", access_identity="Machine")() == CANARY
