"""Tokens of foreign authorization servers, in responses of the Developer API."""

from typing import Any

import jwt
import pytest

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import OAuthTokenRequirement
from identity.error_codes import IdentityCode
from identity.errors import ConsentRequiredError, copy_error
from identity.idaas.credential_store import store_operation
from identity.secrets.secret import Secret

OPERATION = store_operation(OAuthTokenRequirement("calendar", ("calendar.read", "calendar.write")), "alice")
NOW = 1000.0


def content(**members: Any) -> dict[str, Any]:
    return {"oauthAccessTokenContent": {"accessTokenValue": "gho_x", "tokenType": "bearer"} | members}


def session(url: str) -> dict[str, Any]:
    return {"oauthAuthorizationSession": {"sessionStatus": "pending", "authorizationUrl": url}}


def test_request_contains_the_provider_and_the_scopes() -> None:
    assert OPERATION.body == {
        "credentialProviderIdentifier": "calendar",
        "scope": "calendar.read calendar.write",
    }
    assert store_operation(OAuthTokenRequirement("calendar"), "alice").body == {
        "credentialProviderIdentifier": "calendar"
    }


def test_token_ends_at_its_time_and_without_one_is_fetched_again_soon() -> None:
    ends = content() | {"expirationTime": 2_000_000}
    assert OPERATION.read(ends, NOW) == IssuedCredential(Secret("gho_x"), 2000.0)
    assert OPERATION.read(content(), NOW).expires_at == NOW + 600


@pytest.mark.promise("never-expired")
@pytest.mark.parametrize("time", [{}, {"expirationTime": 1_500_000}])
def test_jwt_ends_with_its_own_exp_if_that_is_earlier(time: dict[str, int]) -> None:
    for exp, end in ((NOW + 60, NOW + 60), (NOW + 3600, 1500.0 if time else NOW + 600)):
        token = jwt.encode({"exp": exp}, "k" * 32, algorithm="HS256")
        assert OPERATION.read(content(accessTokenValue=token) | time, NOW).expires_at == end
    with pytest.raises(ValueError, match="must end in the future"):
        OPERATION.read(content(accessTokenValue=jwt.encode({"exp": NOW}, "k" * 32)) | time, NOW)


@pytest.mark.parametrize("url", ["https://idp.example/authorize?state=1", "http://localhost:9400/x"])
def test_session_requires_consent_at_its_address(url: str) -> None:
    with pytest.raises(ConsentRequiredError) as caught:
        OPERATION.read(session(url), NOW)
    for error in (caught.value, copy_error(caught.value), caught.value.of("calendar")):
        assert error.code is IdentityCode.CONSENT_REQUIRED
        assert error.authorization_url.reveal() == url
        shown = [str(error), repr(error), error.detail, *error.__notes__]
        assert not [text for text in shown if url in text]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({}, "neither an access token"),
        (session("javascript:alert(1)"), "https URL"),
        (session("http://idp.example/canary"), "https URL"),
        (session("https://idp.example@canary.example/"), "https URL"),
        (session("https://idp.example/ canary"), "neither an access token"),
        (content(accessTokenValue="canary\n"), "no usable"),
        (content(tokenType="mac"), "tokenType"),
        (content() | {"expirationTime": 900_000}, "future"),
        (content() | {"expirationTime": "canary"}, "future"),
    ],
)
def test_unusable_response_is_refused_without_a_value(response: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        OPERATION.read(response, NOW)
    assert "canary" not in str(caught.value)
