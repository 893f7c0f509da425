"""The caller for whom code runs: of the LangGraph run in progress, else of `acting_for`, else nobody."""

import asyncio
import contextvars
import pickle
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

from idaas_agent import AccessTokenError, Identity, IdentityContext, Secret
from tests.suite import Sandbox

TOKEN = "canary.access.token"


class Found(TypedDict, total=False):
    subject: str | None


@dataclass
class TenantContext(IdentityContext):
    tenant: str


@dataclass
class ForeignContext:
    access_token: str | Secret
    tenant: str = "acme"


def graph(node: Any, schema: type | None = None) -> Any:
    built = StateGraph(Found, context_schema=schema)
    built.add_node("node", node)
    built.add_edge(START, "node")
    built.add_edge("node", END)
    return built.compile()


@pytest.fixture
def ask(identity: Identity) -> Any:
    """The subject of the caller of a run with this context."""

    async def node(_: Found) -> Found:
        caller = await identity.caller_of_run()
        return {"subject": None if caller is None else caller.principal.subject}

    async def run(context: Any, schema: type | None = None) -> str | None:
        return (await graph(node, schema).ainvoke({}, context=context))["subject"]

    return run


@pytest.fixture
def subject(sandbox: Sandbox) -> Any:
    return lambda user: sandbox.cloud.directory.users[user].subject


@pytest.mark.parametrize("made", [str, Secret], ids=["text", "secret"])
@pytest.mark.parametrize(
    ("context", "schema"),
    [
        (lambda token: IdentityContext(access_token=token), IdentityContext),
        (lambda token: TenantContext("acme", access_token=token), TenantContext),
        (lambda token: {"access_token": token}, None),
        (lambda token: {"access_token": token}, IdentityContext),
        (lambda token: ForeignContext(token), ForeignContext),
        (lambda token: ForeignContext(token), None),
    ],
    ids=["ours", "subclass", "mapping", "mapping made ours", "foreign", "foreign without schema"],
)
async def test_caller_is_the_bearer_of_the_token_in_the_context(
    sandbox: Sandbox, ask: Any, subject: Any, context: Any, schema: Any, made: Any
) -> None:
    token = sandbox.access_token("alice")
    assert await ask(context(made(token)), schema) == subject("alice")


@pytest.mark.promise("verified-caller")
async def test_each_use_verifies_anew(sandbox: Sandbox, ask: Any) -> None:
    token = sandbox.access_token("alice", lifetime=60)
    assert await ask(IdentityContext(access_token=token))
    sandbox.clock.advance(120)
    with pytest.raises(AccessTokenError) as caught:
        await ask(IdentityContext(access_token=token))
    assert caught.value.code == "access_token_invalid"


@pytest.mark.parametrize("context", [None, IdentityContext(), {}, ForeignContext(None)], ids=repr)
async def test_run_without_a_token_has_no_caller(ask: Any, context: Any) -> None:
    assert await ask(context) is None


@pytest.mark.parametrize("found", [7, b"token", ["token"]])
async def test_token_of_another_type_is_refused(ask: Any, found: Any) -> None:
    with pytest.raises(AccessTokenError, match="access_token_invalid"):
        await ask({"access_token": found})


async def test_code_that_needs_a_caller_is_refused_without_one(identity: Identity) -> None:
    with pytest.raises(AccessTokenError) as caught:
        await identity.required_caller()
    assert caught.value.code == "access_token_missing"


@pytest.mark.promise("human-stays-human")
async def test_task_whose_framework_dropped_the_context_has_no_caller(
    sandbox: Sandbox, identity: Identity
) -> None:
    async def dropped(_: Found) -> Found:
        work = asyncio.create_task(identity.required_caller(), context=contextvars.Context())
        return {"subject": (await work).principal.subject}

    with pytest.raises(AccessTokenError, match="access_token_missing"):
        await graph(dropped).ainvoke({}, context=IdentityContext(access_token=sandbox.access_token()))


async def acting_subject(identity: Identity) -> str | None:
    caller = await identity.caller_of_run()
    return None if caller is None else caller.principal.subject


async def test_inner_of_two_blocks_counts(sandbox: Sandbox, identity: Identity, subject: Any) -> None:
    alice, bob = sandbox.access_token("alice"), sandbox.access_token("bob")
    async with identity.acting_for(alice) as caller:
        assert caller.subject == await acting_subject(identity) == subject("alice")
        async with identity.acting_for(Secret(bob)):
            assert await acting_subject(identity) == subject("bob")
        assert await acting_subject(identity) == subject("alice")
    assert await acting_subject(identity) is None


async def test_tasks_that_begin_in_a_block_inherit_it(
    sandbox: Sandbox, identity: Identity, subject: Any
) -> None:
    async with identity.acting_for(sandbox.access_token("alice")):
        inside = asyncio.create_task(acting_subject(identity))
    assert await inside == subject("alice")


async def test_context_of_a_run_counts_before_the_block_around_it(
    sandbox: Sandbox, identity: Identity, ask: Any, subject: Any
) -> None:
    async with identity.acting_for(sandbox.access_token("alice")):
        assert await ask(IdentityContext(access_token=sandbox.access_token("bob"))) == subject("bob")
        assert await ask(None) == subject("alice")


async def test_block_within_a_run_counts_before_its_context(
    sandbox: Sandbox, identity: Identity, ask: Any, subject: Any
) -> None:
    bob = IdentityContext(access_token=sandbox.access_token("bob"))

    async def node(_: Found) -> Found:
        async with identity.acting_for(sandbox.access_token("alice")):
            assert await acting_subject(identity) == subject("alice")
            assert await ask(bob) == subject("bob")
        return {"subject": await acting_subject(identity)}

    again = IdentityContext(access_token=sandbox.access_token("bob"))
    assert (await graph(node).ainvoke({}, context=again))["subject"] == subject("bob")


async def test_block_of_one_identity_is_none_of_another(
    sandbox: Sandbox, identity: Identity, variables: dict[str, str]
) -> None:
    other = Identity.from_env(variables, clock=sandbox.clock)
    async with identity.acting_for(sandbox.access_token("alice")):
        assert await other.caller_of_run() is None


async def test_block_of_a_token_that_is_refused_is_not_entered(identity: Identity) -> None:
    with pytest.raises(AccessTokenError):
        async with identity.acting_for("no.jwt.there"):
            pytest.fail("it was entered")


@pytest.mark.promise("no-secret-leaves")
@pytest.mark.parametrize("given", [TOKEN, Secret(TOKEN)], ids=["text", "secret"])
def test_context_does_not_show_its_token(given: Any) -> None:
    context = TenantContext("acme", access_token=given)
    assert isinstance(context.access_token, Secret)
    assert context.access_token.reveal() == TOKEN
    assert TOKEN not in f"{context} {context!r} {vars(context)} {asdict(context)}"
    with pytest.raises(TypeError):
        pickle.dumps(context)
    context.access_token = TOKEN
    assert TOKEN not in f"{context!r} {vars(context)}"
