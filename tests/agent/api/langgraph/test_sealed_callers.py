"""The caller of a run, from the user whom a server stores with it."""

import base64
import time
from types import SimpleNamespace
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command
from typing_extensions import TypedDict

from agent.api.langgraph.sealed_callers import GIVEN, SEALED, SealedCallers, run_digest
from identity.access_token.sealed_caller import CallerSeal, SealingKeys
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.errors import AccessTokenError
from identity.principal import Principal
from identity.secrets.secret import Secret

pytestmark = pytest.mark.promise("users-never-cross")

ISSUER = "https://idaas.example"
FIRST, SECOND = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))


class Claims:
    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self.asked = 0

    async def claim(self, envelope_id: str, run_id: str, until: float) -> bool:  # noqa: ARG002 - as the original
        self.asked += 1
        return self.runs.setdefault(envelope_id, run_id) == run_id


class State(TypedDict):
    n: int


def callers(claims: Claims, key: str = FIRST) -> SealedCallers:
    return SealedCallers(CallerSeal(SealingKeys.of(key), audience="agent", claims=claims), ISSUER)


def verified(subject: str = "alice", seconds: float = 600) -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal(ISSUER, subject),
        audience=("agent",),
        scopes=frozenset(),
        expires_at=time.time() + seconds,
        fingerprint="f" * 64,
        token=Secret(f"token-of-{subject}"),
    )


def stored_user(
    sealed: SealedCallers, thread_id: str = "t", caller: VerifiedAccessToken | None = None
) -> Any:
    user: dict[str, Any] = {"identity": (caller or verified()).principal.subject, SEALED: {}}
    sealed.add(user, caller or verified(), thread_id, run_digest({"n": 0}, None))
    return SimpleNamespace(**user)


async def found_in_run(
    sealed: SealedCallers,
    user: Any,
    *,
    thread_id: str = "t",
    run_id: str = "r",
    n: int = 0,
    checkpoint: str | None = None,
) -> Any:
    """What two nodes of a run on Aegra find: the token, or the code of the refusal."""
    found: list[Any] = []

    async def node(_: State, *, runtime: Runtime[None]) -> State:
        try:
            token = await sealed.find(runtime)  # type: ignore[arg-type]  # a stand-in
            found.append(token.reveal() if token else None)
        except AccessTokenError as error:
            found.append(str(error.code))
        return {"n": 1}

    graph = StateGraph(State)
    graph.add_node("one", node)
    graph.add_node("two", node)
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    configurable = {"thread_id": thread_id, "run_id": run_id, "langgraph_auth_user": user}
    configurable |= {} if checkpoint is None else {"checkpoint_id": checkpoint}
    configurable[GIVEN] = run_digest({"n": n}, checkpoint)
    await graph.compile(checkpointer=InMemorySaver()).ainvoke({"n": n}, {"configurable": configurable})
    assert found[0] == found[1]
    return found[0]


async def test_run_finds_its_caller_in_another_process_with_the_key() -> None:
    claims = Claims()
    user = stored_user(callers(claims))
    assert await found_in_run(callers(claims), user) == "token-of-alice"
    assert claims.asked == 1  # once for each run in each process


async def test_user_contains_no_token() -> None:
    user = stored_user(callers(Claims()))
    assert "token-of-alice" not in str(vars(user))
    assert set(vars(user)) == {"identity", SEALED}


async def test_envelope_of_another_run_is_refused() -> None:
    claims = Claims()
    sealed = callers(claims)
    user = stored_user(sealed)
    assert await found_in_run(sealed, user, run_id="first") == "token-of-alice"
    assert await found_in_run(sealed, user, run_id="second") == "sign_in_required"
    assert await found_in_run(callers(claims), user, run_id="second") == "sign_in_required"
    assert await found_in_run(callers(claims), user, run_id="first") == "token-of-alice"


async def test_envelope_of_another_thread_or_user_is_refused() -> None:
    sealed = callers(Claims())
    of_alice, of_bob = stored_user(sealed), stored_user(sealed, caller=verified("bob"))
    moved = SimpleNamespace(identity="alice", **{SEALED: {"other": getattr(of_alice, SEALED)["t"]}})
    assert await found_in_run(sealed, moved, thread_id="other") == "sign_in_required"
    posing = SimpleNamespace(identity="alice", **{SEALED: getattr(of_bob, SEALED)})
    assert await found_in_run(sealed, posing) == "sign_in_required"


async def test_run_whose_input_or_checkpoint_was_changed_in_its_row_is_refused() -> None:
    sealed = callers(Claims())
    for changed in ({"n": 1}, {"checkpoint": "1f0b1a2c-0000-6000-8000-000000000000"}):
        assert await found_in_run(sealed, stored_user(sealed), **changed) == "sign_in_required"
    assert await found_in_run(sealed, stored_user(sealed)) == "token-of-alice"


STORED: list[tuple[Any, Any]] = [
    ({"a": 1, "b": [True, None]}, {"b": [True, None], "a": 1.0}),
    ({"n": -0.0}, {"n": 0}),
    ({"n": 1e22}, {"n": 10**22}),
    ({"n": 12345678901234567890123.0}, {"n": 12345678901234568000000}),
    ({"text": "\u00e9 \u200b"}, {"text": "é \u200b"}),
]


@pytest.mark.parametrize(("given", "stored"), STORED)
def test_digest_is_that_of_the_same_value_as_jsonb(given: Any, stored: Any) -> None:
    for kind in (lambda value: value, lambda value: Command(resume=value)):
        assert run_digest(kind(given), "c") == run_digest(kind(stored), "c")


def test_digest_differs_for_every_other_value() -> None:
    values: list[Any] = [
        {}, None, {"n": 1}, {"n": 2}, {"n": "1"}, {"n": "n1"}, {"n": True}, {"n": None}, {"n": [1]}, {"m": 1},
        {"n": 9007199254740993}, {"n": 9007199254740992}, {"n": 0.1}, {"n": 0.10000000000000002},
    ]  # fmt: skip
    digests = {run_digest(given, at) for given in values for at in (None, "c")}
    digests |= {run_digest(Command(resume=given), None) for given in values}
    assert len(digests) == 3 * len(values)


@pytest.mark.parametrize("written", [{"update": {"n": 1}}, {"update": {}}, {"goto": "two"}])
def test_command_that_writes_or_jumps_has_no_digest(written: Any) -> None:
    assert run_digest(Command(resume={}, **written), None) == ""


async def test_worker_without_the_key_refuses() -> None:
    user = stored_user(callers(Claims()))
    assert await found_in_run(callers(Claims(), SECOND), user) == "sign_in_required"
    rotated = callers(Claims(), f"{SECOND}\n{FIRST}")
    assert await found_in_run(rotated, user) == "token-of-alice"


async def test_expired_caller_is_refused_also_where_it_was_opened_before() -> None:
    now = [time.time()]
    seal = CallerSeal(SealingKeys.of(FIRST), audience="agent", claims=Claims(), clock=lambda: now[0])
    sealed = SealedCallers(seal, ISSUER, clock=lambda: now[0])
    user = stored_user(sealed)
    assert await found_in_run(sealed, user) == "token-of-alice"
    now[0] += 601
    assert await found_in_run(sealed, user) == "sign_in_required"


@pytest.mark.parametrize(
    "user",
    [
        SimpleNamespace(identity="alice"),
        SimpleNamespace(identity="alice", **{SEALED: {}}),
        SimpleNamespace(identity="alice", **{SEALED: {"t": 1}}),
        {"identity": "alice", SEALED: {"t": "v1.0.0.0"}},
        {"identity": "alice", SEALED: "t"},
    ],
)
async def test_user_without_an_envelope_must_sign_in(user: Any) -> None:
    assert await found_in_run(callers(Claims()), user) == "sign_in_required"


async def test_graph_outside_of_a_server_has_no_sealed_caller() -> None:
    assert await found_in_run(callers(Claims()), None) is None
