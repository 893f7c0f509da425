"""Whose rights a call uses, by its access identity and the kinds of its credentials."""

import pytest

from identity.credentials.placement import Placement
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    IssuerRequirement,
    OAuthTokenRequirement,
)
from identity.credentials.rights import LABELS, SENTENCES, Rights, rights_of

KEY = ApiKeyRequirement("key", placement=Placement("X-Key"))
OTHER_KEY = ApiKeyRequirement("other", placement=Placement("X-Other"))
TOKEN = AccessTokenRequirement("https://a.example|a.read")
JWT = IssuedJwtRequirement("service_jwt", "https://a.example")
ROLE = CloudRoleRequirement("acs:ram::1:role/reader")
FOREIGN = OAuthTokenRequirement("calendar")


@pytest.mark.parametrize(
    ("requirement", "kinds", "rights"),
    [
        (KEY, "api_key", Rights.SHARED_KEY),
        (TOKEN, "access_token", Rights.HUMAN),
        (JWT, "issued_jwt", Rights.HUMAN),
        (FOREIGN, "oauth_token", Rights.OAUTH_ACCOUNT),
        (ROLE, "cloud_role", Rights.CLOUD_ROLE),
        (IssuerRequirement("vault"), "issuer_credential", Rights.ISSUER),
        (IssuerRequirement("vault", also=(KEY,)), "issuer_credential api_key", Rights.ISSUER),
        (ApiKeyRequirement("a", also=(OTHER_KEY,)), "api_key api_key", Rights.SHARED_KEY),
        (
            ApiKeyRequirement("a", also=(KEY,), placement=OTHER_KEY.placement),
            "api_key api_key",
            Rights.SHARED_KEY,
        ),
        (AccessTokenRequirement("a|b", also=(KEY,)), "access_token api_key", Rights.HUMAN),
        (IssuedJwtRequirement("p", "a", also=(KEY,)), "issued_jwt api_key", Rights.HUMAN),
        (OAuthTokenRequirement("calendar", also=(KEY,)), "oauth_token api_key", Rights.OAUTH_ACCOUNT),
    ],
    ids=str,
)
def test_each_kind_of_credential_says_whose_rights_it_has(
    requirement: CredentialRequirement, kinds: str, rights: Rights
) -> None:
    assert requirement.described["credential_kind"] == kinds
    assert requirement.at_most["credential_kind"] == kinds
    assert "credential_kind" not in requirement.carried  # the audit log has an action of each kind
    assert rights_of("Human", kinds) is rights
    assert rights_of("Machine", kinds) is Rights.MACHINE
    assert rights_of(None, None) is Rights.NONE


@pytest.mark.parametrize(
    ("access_identity", "kinds"), [("Human", None), ("Human", ""), ("Human", "seal"), ("Other", "api_key")]
)
def test_what_is_not_known_is_not_guessed(access_identity: str, kinds: str | None) -> None:
    assert rights_of(access_identity, kinds) is Rights.UNKNOWN


def test_each_has_a_label_and_a_sentence() -> None:
    assert set(LABELS) == set(SENTENCES) == set(Rights)
