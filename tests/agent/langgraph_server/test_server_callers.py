"""The tokens that the LangGraph Server entry keeps in memory."""

import pytest

from agent.langgraph_server.token_references import TokenReferences
from identity.access_token.verified_access_token import Principal, VerifiedAccessToken, assume_verified
from identity.secret import Secret

pytestmark = pytest.mark.promise("users-never-cross")


class Clock:
    """Stands still until it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def token(name: str, *, expires_at: float = 2000.0) -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("https://idaas.example", f"user_{name}"),
        audience=("https://agent.example",),
        scopes=frozenset({"agent.access"}),
        expires_at=expires_at,
        fingerprint=name,
        token=Secret(f"token of {name}"),
    )


def test_a_reference_is_good_for_its_own_user_only() -> None:
    held = TokenReferences(clock=Clock())
    reference = held.hold(token("alice"))
    found = held.find(reference, "user_alice")
    assert found is not None
    assert found.reveal() == "token of alice"
    assert held.find(reference, "user_bob") is None
    assert held.find("another", "user_alice") is None
    assert held.find(None, "user_alice") is None


def test_the_same_token_has_the_same_reference_which_does_not_tell_of_it() -> None:
    held = TokenReferences(clock=Clock())
    assert held.hold(token("alice")) == held.hold(token("alice"))
    assert held.hold(token("alice")) != TokenReferences(clock=Clock()).hold(token("alice"))


def test_an_expired_token_is_not_found_and_not_kept() -> None:
    clock = Clock()
    held = TokenReferences(clock=clock)
    reference = held.hold(token("alice"))
    clock.now = 2000.0
    assert held.find(reference, "user_alice") is None
    held.hold(token("bob", expires_at=3000.0))
    assert len(held) == 1


def test_beyond_its_capacity_the_least_recently_used_token_goes() -> None:
    held = TokenReferences(capacity=2, clock=Clock())
    alice, bob = held.hold(token("alice")), held.hold(token("bob"))
    held.find(alice, "user_alice")
    held.hold(token("carol"))
    assert held.find(alice, "user_alice") is not None
    assert held.find(bob, "user_bob") is None
