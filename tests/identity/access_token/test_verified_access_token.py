"""Only the verifier creates a verified access token."""

import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.principal import Principal
from identity.secrets.secret import Secret

ROOT = Path(__file__).parents[3]


def test_calling_the_class_raises_type_error() -> None:
    with pytest.raises(TypeError):
        VerifiedAccessToken(
            principal=Principal("iss", "sub"),
            audience=(),
            scopes=frozenset(),
            expires_at=1e12,
            fingerprint="",
            token=Secret("forged"),
        )


def test_verified_token_is_immutable(caller: Callable[..., VerifiedAccessToken]) -> None:
    alice = caller("alice")
    with pytest.raises(TypeError):
        dataclasses.replace(alice, principal=Principal("iss", "bob"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        alice.principal = Principal("iss", "bob")  # type: ignore[misc]  # the refusal is under test
    with pytest.raises(TypeError):
        pickle.dumps(alice)


def test_only_the_verifier_calls_assume_verified() -> None:
    packages = ("agent", "graph", "identity", "tools", "sandbox")
    callers = {
        path.relative_to(ROOT).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*.py")
        if "assume_verified" in path.read_text() or "_SEAL" in path.read_text()
    }
    assert callers == {"identity/access_token/verified_access_token.py", "identity/access_token/verifier.py"}
