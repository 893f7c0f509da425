"""Whether a token that was issued in an exchange is the agent's own."""

from typing import Any

import jwt
import pytest

from identity.idaas.exchanged_token import is_agents_own
from identity.secrets.secret import Secret


def token(subject: Any) -> Secret:
    return Secret(jwt.encode({"sub": subject}, "k" * 32, algorithm="HS256"))


@pytest.mark.promise("human-stays-human")
@pytest.mark.parametrize(
    ("issued", "subject", "own"),
    [
        ("app_agent01", "user_alice01", True),
        ("app_agent01:urn:custom", "user_alice01", True),
        ("user_alice01", "user_alice01", False),
        ("app_agent012", "user_alice01", False),
        ("app_agent01", "app_agent01", False),
    ],
)
def test_subject_of_the_client_is_recognized(issued: str, subject: str, own: bool) -> None:
    assert is_agents_own(token(issued), token(subject), "app_agent01") is own


def test_token_that_is_not_a_jwt_shows_nothing() -> None:
    assert not is_agents_own(Secret("opaque"), Secret("opaque"), "app_agent01")
