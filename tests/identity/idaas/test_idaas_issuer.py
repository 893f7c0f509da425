"""Which requests to IDaaS issue which credential, and with whose rights."""

from collections.abc import Callable

import pytest

from identity.access_identity import AccessIdentity
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.idaas.issuer import PAM_TOKEN, IDaaSIssuer
from identity.idaas.token_response import IssuedToken
from identity.secrets.secret import Secret

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessTokenRequirement("https://enterprise.example|service.invoke")
KEY = ApiKeyRequirement("llm_api_key")
ROLE = CloudRoleRequirement("acs:ram::1:role/reader", 900)
JWT = IssuedJwtRequirement("service_jwt", "https://reports.example")


class Requests:
    """Answers each request with a secret that names it."""

    async def machine_token(self, scope: str) -> IssuedToken:
        return IssuedToken(Secret(f"machine {scope}"), 1200.0)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedToken:
        return IssuedToken(Secret(f"{subject_token.reveal()} {scope}"), 1200.0)

    async def obtain_api_key(self, pam_token: Secret, requirement: ApiKeyRequirement) -> Secret:
        return Secret(f"{pam_token.reveal()} {requirement.identifier}")

    async def generate_jwt(
        self, pam_token: Secret, requirement: IssuedJwtRequirement, subject: str | None
    ) -> IssuedToken:
        return IssuedToken(Secret(f"{pam_token.reveal()} {requirement.audience} {subject}"), 900.0)

    async def obtain_cloud_role(self, pam_token: Secret, requirement: CloudRoleRequirement) -> IssuedToken:
        return IssuedToken(Secret(f"{pam_token.reveal()} {requirement.role}"), 3600.0)

    async def fetch_oauth_token(self, pam_token: Secret, requirement: OAuthTokenRequirement) -> IssuedToken:
        return IssuedToken(Secret(f"{pam_token.reveal()} {requirement.provider}"), 3600.0)


def test_credentials_of_the_store_require_a_token_for_it() -> None:
    issuer = IDaaSIssuer(Requests())
    assert issuer.prerequisite(KEY) is PAM_TOKEN
    assert issuer.prerequisite(JWT) is PAM_TOKEN
    assert issuer.prerequisite(ROLE) is PAM_TOKEN
    assert issuer.prerequisite(TOKEN) is None
    assert issuer.prerequisite(PAM_TOKEN) is None


async def test_access_identity_decides_between_client_credentials_and_exchange(
    caller: Callable[..., VerifiedAccessToken],
) -> None:
    issuer, alice = IDaaSIssuer(Requests()), caller("alice")
    own = await issuer.issue(TOKEN, MACHINE, None, None)
    users = await issuer.issue(TOKEN, HUMAN, alice, None)
    assert own == IssuedCredential(Secret(f"machine {TOKEN.scope}"), 1200.0)
    assert users == IssuedCredential(Secret(f"access-token-of-alice {TOKEN.scope}"), 1200.0)


async def test_api_key_is_read_with_the_prerequisite_and_does_not_expire(
    caller: Callable[..., VerifiedAccessToken],
) -> None:
    issuer = IDaaSIssuer(Requests())
    for access_identity, who in ((MACHINE, None), (HUMAN, caller("alice"))):
        issued = await issuer.issue(KEY, access_identity, who, Secret("pam"))
        assert issued == IssuedCredential(Secret("pam llm_api_key"), None)


async def test_jwt_is_issued_for_the_caller_and_under_machine_identity_for_the_agent(
    caller: Callable[..., VerifiedAccessToken],
) -> None:
    issuer, alice, pam = IDaaSIssuer(Requests()), caller("alice"), Secret("pam")
    own = await issuer.issue(JWT, MACHINE, None, pam)
    users = await issuer.issue(JWT, HUMAN, alice, pam)
    assert own == IssuedCredential(Secret("pam https://reports.example None"), 900.0)
    assert users.secret.reveal().endswith(alice.principal.subject)


async def test_credentials_of_a_cloud_role_are_obtained_with_the_prerequisite() -> None:
    issued = await IDaaSIssuer(Requests()).issue(ROLE, MACHINE, None, Secret("pam"))
    assert issued == IssuedCredential(Secret("pam acs:ram::1:role/reader"), 3600.0)


async def test_oauth_token_is_fetched_with_the_prerequisite() -> None:
    requirement = OAuthTokenRequirement("calendar")
    issued = await IDaaSIssuer(Requests()).issue(requirement, MACHINE, None, Secret("pam"))
    assert issued == IssuedCredential(Secret("pam calendar"), 3600.0)


async def test_missing_caller_or_prerequisite_is_an_error() -> None:
    issuer = IDaaSIssuer(Requests())
    with pytest.raises(TypeError, match="caller"):
        await issuer.issue(TOKEN, HUMAN, None, None)
    with pytest.raises(TypeError, match="credential store"):
        await issuer.issue(KEY, MACHINE, None, None)
