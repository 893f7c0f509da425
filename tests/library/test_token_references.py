"""The tokens that the LangGraph Server entry keeps in memory."""

import pytest

from idaas_agent.library.token_references import TokenReferences
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.principal import Principal
from identity.secrets.secret import Secret
from tests.clock import Clock

pytestmark = pytest.mark.promise("users-never-cross")


def token(name: str, *, expires_at: float = 2000.0) -> VerifiedAccessToken:
    return assume_verified(
        principal=Principal("https://idaas.example", f"user_{name}"),
        audience=("https://agent.example",),
        scopes=frozenset({"agent.access"}),
        expires_at=expires_at,
        fingerprint=name,
        token=Secret(f"token of {name}"),
    )


def test_reference_is_valid_for_its_own_user_only() -> None:
    references = TokenReferences(clock=Clock())
    reference = references.add(token("alice"))
    found = references.find(reference, "user_alice")
    assert found is not None
    assert found.reveal() == "token of alice"
    assert references.find(reference, "user_bob") is None
    assert references.find("another", "user_alice") is None
    assert references.find(None, "user_alice") is None


def test_one_token_has_one_reference_that_does_not_contain_it() -> None:
    references = TokenReferences(clock=Clock())
    assert references.add(token("alice")) == references.add(token("alice"))
    assert references.add(token("alice")) != TokenReferences(clock=Clock()).add(token("alice"))


def test_expired_token_is_not_found_and_is_removed() -> None:
    clock = Clock()
    references = TokenReferences(clock=clock)
    reference = references.add(token("alice"))
    clock.now = 2000.0
    assert references.find(reference, "user_alice") is None
    references.add(token("bob", expires_at=3000.0))
    assert len(references._tokens) == 1


def test_least_recently_used_token_is_removed_above_the_capacity() -> None:
    references = TokenReferences(capacity=2, clock=Clock())
    alice, bob = references.add(token("alice")), references.add(token("bob"))
    references.find(alice, "user_alice")
    references.add(token("carol"))
    assert references.find(alice, "user_alice") is not None
    assert references.find(bob, "user_bob") is None
