"""Which requests to IDaaS issue which credential, and with whose rights."""

from collections.abc import Callable

import pytest

from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import (
    AccessTokenRequirement,
    ApiKeyRequirement,
    CloudRoleRequirement,
    CredentialRequirement,
    IssuedJwtRequirement,
    OAuthTokenRequirement,
)
from identity.idaas.client import PAM_TOKEN, IDaaSIssuer
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret

MACHINE, HUMAN = AccessIdentity.MACHINE, AccessIdentity.HUMAN
TOKEN = AccessTokenRequirement("https://enterprise.example|service.invoke")
KEY = ApiKeyRequirement("llm_api_key")
ROLE = CloudRoleRequirement("acs:ram::1:role/reader", 900)
JWT = IssuedJwtRequirement("service_jwt", "https://reports.example")


class Requests:
    """Answers each request with a secret that names it."""

    async def machine_token(self, scope: str) -> IssuedCredential:
        return IssuedCredential(Secret(f"machine {scope}"), 1200.0)

    async def exchange(self, subject_token: Secret, scope: str) -> IssuedCredential:
        return IssuedCredential(Secret(f"{subject_token.reveal()} {scope}"), 1200.0)

    async def obtain(
        self, pam_token: Secret, requirement: CredentialRequirement, subject: str | None
    ) -> IssuedCredential:
        named = requirement.declared["credential"]
        return IssuedCredential(Secret(f"{pam_token.reveal()} {named} for {subject}"), 900.0)


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


@pytest.mark.parametrize("requirement", [KEY, JWT, ROLE, OAuthTokenRequirement("calendar")], ids=str)
async def test_credential_of_the_store_is_obtained_with_the_prerequisite_for_the_user_or_for_the_agent(
    requirement: CredentialRequirement, caller: Callable[..., VerifiedAccessToken]
) -> None:
    issuer, alice, pam = IDaaSIssuer(Requests()), caller("alice"), Secret("pam")
    own = await issuer.issue(requirement, MACHINE, None, pam)
    users = await issuer.issue(requirement, HUMAN, alice, pam)
    named = requirement.declared["credential"]
    assert own == IssuedCredential(Secret(f"pam {named} for None"), 900.0)
    assert users == IssuedCredential(Secret(f"pam {named} for {alice.principal.subject}"), 900.0)


async def test_missing_caller_or_prerequisite_is_an_error() -> None:
    issuer = IDaaSIssuer(Requests())
    with pytest.raises(TypeError, match="caller"):
        await issuer.issue(TOKEN, HUMAN, None, None)
    with pytest.raises(TypeError, match="credential store"):
        await issuer.issue(KEY, MACHINE, None, None)
