"""The typical faults of each method of client authentication, as rules of `explanation`."""

from typing import Final

Rule = tuple[str, str, str, str]
"""A pattern (a regular expression for the detail), a reason, a cause and a remedy."""


def _rule(pattern: str, reason: str, cause: str, remedy: str) -> Rule:
    return pattern, reason, cause, remedy


CREDENTIAL_UNAVAILABLE: Final[tuple[Rule, ...]] = (
    _rule(
        r"metadata service: .*status",
        "metadata_refused",
        "the metadata service does not serve what is requested: it is switched off, or the instance has no "
        "RAM role",
        "check the metadata options of the instance, and for PLUGIN its RAM role",
    ),
    _rule(
        r"metadata service: .*document",
        "not_a_metadata_service",
        "what responds at ECS_METADATA_ENDPOINT is no metadata service",
        "correct ECS_METADATA_ENDPOINT, or remove it: the default is the platform's",
    ),
    _rule(
        r"metadata service",
        "no_metadata_service",
        "there is no metadata service at ECS_METADATA_ENDPOINT: this machine is no ECS instance",
        "choose another authnMethod (for PLUGIN another source of the role credential), or correct "
        "ECS_METADATA_ENDPOINT",
    ),
    _rule(
        r"token file .*expired",
        "workload_token_expired",
        "the token in the file has expired: what should replace it has stopped, or the clock is wrong",
        "check the projected volume of the pod, and the clock of this machine (NTP)",
    ),
    _rule(
        r"token file",
        "no_workload_token",
        "the token file is not there, or contains no token",
        "check the path in the SDK configuration (or ALIBABA_CLOUD_OIDC_TOKEN_FILE), and the volume",
    ),
    _rule(
        r"STS: (NoPermission|.*(Trust|OIDC|IDToken|Issuer|Fingerprint))",
        "role_not_assumed",
        "STS does not let the token assume the role: the role does not trust its issuer, audience or subject",
        "check the trust policy of the role, and audience and issuer of the OIDC provider in RAM",
    ),
    _rule(
        r"STS: ",
        "no_sts",
        "STS gives no credential for the role",
        "check ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_STS_ENDPOINT",
    ),
    _rule(
        r"credentials URI",
        "no_credentials_uri",
        "ALIBABA_CLOUD_CREDENTIALS_URI serves no role credential",
        "check the URI, and the process that serves it",
    ),
    _rule(
        r"no request has brought",
        "no_request_yet",
        "the role credential comes with the first authenticated request, and there was none",
        "send a request, or let the platform set ALIBABA_CLOUD_ACCESS_KEY_ID and its like too",
    ),
)

CLIENT_REFUSED: Final[tuple[Rule, ...]] = (
    _rule(
        r"OpenAPI: (NoPermission|Forbidden)",
        "ram_policy",
        "RAM does not allow the execution role eiam:GenerateOauthToken for this application",
        "attach the policy of docs/connect-idaas.md to the execution role, with this idaasInstanceId and "
        "clientId",
    ),
    _rule(
        r"OpenAPI: InvalidSecurityToken\.Expired",
        "sts_expired",
        "the temporary credential of the role (STS) has expired; its copy in the environment ends 36 hours "
        "after the start of the instance",
        "on Function Compute set FC_CREDENTIALS_FROM_HEADERS=true; elsewhere name a source that is renewed",
    ),
    _rule(
        r"OpenAPI: InvalidTimeStamp",
        "clock",
        "the clock of this machine and that of the OpenAPI differ by over 15 minutes",
        "set the clock of this machine (NTP)",
    ),
    _rule(
        r"OpenAPI: ResourceNotFound",
        "unknown_application",
        "the OpenAPI does not know the instance or the application",
        "check idaasInstanceId, clientId and the region of openApiEndpoint in the SDK configuration",
    ),
    _rule(
        r"OpenAPI: ",
        "access_key_refused",
        "the OpenAPI does not accept the access key of the role, or its signature",
        "check ALIBABA_CLOUD_ACCESS_KEY_ID and its like; a proxy must not change the header Host",
    ),
    _rule(
        r"by PKCS7",
        "document_refused",
        "IDaaS does not accept the document of this machine: its signer is not trusted by the provider, or "
        "the federated credential does not allow this machine",
        "check applicationFederatedCredentialName and its instance ids, and SignatureEffectiveTime of the "
        "provider",
    ),
    _rule(
        r"by OIDC",
        "workload_token_refused",
        "IDaaS does not accept the token: its issuer or audience (see the step client credential) is not the "
        "provider's, or the federated credential does not allow its subject",
        "project a token with an audience that the provider lists; check applicationFederatedCredentialName",
    ),
    _rule(
        r"by PCA",
        "certificate_refused",
        "dates, key and chain are right here, but IDaaS does not accept the certificate: no root of the "
        "provider issued its chain, it is revoked, or the federated credential does not allow its name",
        "check the provider's root certificates and revocation list, and applicationFederatedCredentialName",
    ),
)

EXCHANGE_BY_OPENAPI: Final[tuple[Rule, ...]] = (
    _rule(
        r"OpenAPI: (Missing|InvalidParameter\.GrantType)",
        "subject_token_not_read",
        "the OpenAPI does not read the user's access token from the body",
        "choose another authnMethod for Human identity; or accept that proxies may log the token: "
        "OPENAPI_SUBJECT_TOKEN_IN=query",
    ),
)
