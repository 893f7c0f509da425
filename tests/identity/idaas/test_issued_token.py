"""Whether a token that was issued in an exchange is the caller's."""

from typing import Any

import jwt
import pytest

from identity.idaas.token_response import is_of_subject
from identity.secrets.secret import Secret

pytestmark = pytest.mark.promise("human-stays-human", "users-never-cross")


def token(**claims: Any) -> Secret:
    return Secret(jwt.encode(claims, "k" * 32, algorithm="HS256"))


def test_token_of_the_same_subject_is_the_callers() -> None:
    for subject in ("user_alice01", "app_other", "app_other:urn:robot:7"):
        assert is_of_subject(token(sub=subject, aud="service"), token(sub=subject, aud="agent"))


@pytest.mark.parametrize(
    "issued",
    [
        token(sub="user_bob01"),
        token(sub="user_alice01 "),
        token(sub="USER_ALICE01"),
        token(sub="user_alice01:urn:robot:7"),
        token(sub="app_agent01"),
        token(sub="app_agent01:urn:robot:7"),
        token(sub=""),
        token(sub=None),
        token(client_id="user_alice01"),
        Secret("opaque"),
        Secret(f"{token(sub='user_alice01').reveal()}.x"),
    ],
    ids=str,
)
def test_token_that_does_not_name_the_caller_is_not_theirs(issued: Secret) -> None:
    assert not is_of_subject(issued, token(sub="user_alice01"))


def test_tokens_without_a_subject_are_no_ones() -> None:
    for each in (Secret("opaque"), token(), token(sub=""), token(sub=7)):
        assert not is_of_subject(each, each)
