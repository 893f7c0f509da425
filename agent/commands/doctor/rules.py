"""From the detail of an error to its cause. The first rule of a code whose pattern is found applies.

In a cause and a remedy, `{service}` is the name of the part, `{credential}` describes its credential, and
`{credential_setting}` and `{url_setting}` name the settings that configure its credential and its address.
"""

from collections.abc import Mapping
from typing import Final

from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from tools.error_codes import ToolCode

Rule = tuple[str, str, str, str]
"""A pattern (a regular expression for the detail), a reason, a cause and a remedy."""

_KEY: Final[tuple[Rule, ...]] = (
    (r"instance_not_found", "unknown_instance", "the Developer API does not know the IDaaS instance",
     "check idaasInstanceId and developerApiEndpoint in the SDK configuration"),
    (r"access token refused", "token_refused",
     "the Developer API does not accept the tokens of this token endpoint",
     "check that tokenEndpoint and developerApiEndpoint in the SDK configuration are of one instance"),
    (r"insufficient_scope", "no_permission",
     "the token lacks the permission to read credentials (credential:obtain of urn:cloud:idaas:pam)",
     "give the agent (in Human identity: the user, too) that permission in IDaaS"),
    (r"status 404", "unknown_identifier", "IDaaS has no credential of this identifier",
     "correct {credential_setting}: it is the credential's identifier in the IDaaS console, not its name"),
    (r"status 403", "not_granted",
     "the credential exists, but is disabled, or the agent (or the user) may not read it",
     "authorize the agent for the node in IDaaS (outbound), and the user; or correct {credential_setting}"),
)  # fmt: skip

_CREDENTIAL_UNAVAILABLE: Final[tuple[Rule, ...]] = (
    (r"metadata service: .*status", "metadata_refused",
     ("the metadata service does not serve what is requested: it is switched off, or the instance has no "
      "RAM role"),
     "check the metadata options of the instance, and for PLUGIN its RAM role"),
    (r"metadata service: .*document", "not_a_metadata_service",
     "what responds at ECS_METADATA_ENDPOINT is no metadata service",
     "correct ECS_METADATA_ENDPOINT, or remove it: the default is the platform's"),
    (r"metadata service", "no_metadata_service",
     "there is no metadata service at ECS_METADATA_ENDPOINT: this machine is no ECS instance",
     ("choose another authnMethod (for PLUGIN another source of the role credential), or correct "
      "ECS_METADATA_ENDPOINT")),
    (r"token file .*expired", "workload_token_expired",
     "the token in the file has expired: what should replace it has stopped, or the clock is wrong",
     "check the projected volume of the pod, and the clock of this machine (NTP)"),
    (r"token file", "no_workload_token", "the token file is not there, or contains no token",
     "check the path in the SDK configuration (or ALIBABA_CLOUD_OIDC_TOKEN_FILE), and the volume"),
    (r"STS: (NoPermission|.*(Trust|OIDC|IDToken|Issuer|Fingerprint))", "role_not_assumed",
     "STS does not let the token assume the role: the role does not trust its issuer, audience or subject",
     "check the trust policy of the role, and audience and issuer of the OIDC provider in RAM"),
    (r"STS: ", "no_sts", "STS gives no credential for the role",
     "check ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_STS_ENDPOINT"),
    (r"credentials URI", "no_credentials_uri", "ALIBABA_CLOUD_CREDENTIALS_URI serves no role credential",
     "check the URI, and the process that serves it"),
    (r"no request has brought", "no_request_yet",
     "the role credential comes with the first authenticated request, and there was none",
     "send a request, or let the platform set ALIBABA_CLOUD_ACCESS_KEY_ID and its like too"),
)  # fmt: skip

_CLIENT_REFUSED: Final[tuple[Rule, ...]] = (
    (r"OpenAPI: (NoPermission|Forbidden)", "ram_policy",
     "RAM does not allow the execution role eiam:GenerateOauthToken for this application",
     ("attach the policy of docs/connect-idaas.md to the execution role, with this idaasInstanceId and "
      "clientId")),
    (r"OpenAPI: InvalidSecurityToken\.Expired", "sts_expired",
     ("the temporary credential of the role (STS) has expired; its copy in the environment ends 36 hours "
      "after the start of the instance"),
     "on Function Compute set FC_CREDENTIALS_FROM_HEADERS=true; elsewhere name a source that is renewed"),
    (r"OpenAPI: InvalidTimeStamp", "clock",
     "the clock of this machine and that of the OpenAPI differ by over 15 minutes",
     "set the clock of this machine (NTP)"),
    (r"OpenAPI: ResourceNotFound", "unknown_application",
     "the OpenAPI does not know the instance or the application",
     "check idaasInstanceId, clientId and the region of openApiEndpoint in the SDK configuration"),
    (r"OpenAPI: ", "access_key_refused",
     "the OpenAPI does not accept the access key of the role, or its signature",
     "check ALIBABA_CLOUD_ACCESS_KEY_ID and its like; a proxy must not change the header Host"),
    (r"by PKCS7", "document_refused",
     ("IDaaS does not accept the document of this machine: its signer is not trusted by the provider, or "
      "the federated credential does not allow this machine"),
     ("check applicationFederatedCredentialName and its instance ids, and SignatureEffectiveTime of the "
      "provider")),
    (r"by OIDC", "workload_token_refused",
     ("IDaaS does not accept the token: its issuer or audience (see the step client credential) is not the "
      "provider's, or the federated credential does not allow its subject"),
     "project a token with an audience that the provider lists; check applicationFederatedCredentialName"),
    (r"by PCA", "certificate_refused",
     ("dates, key and chain are right here, but IDaaS does not accept the certificate: no root of the "
      "provider issued its chain, it is revoked, or the federated credential does not allow its name"),
     "check the provider's root certificates and revocation list, and applicationFederatedCredentialName"),
)  # fmt: skip

_CLOSED: Final[Rule] = (
    r"connection", "cut", "the server accepts the connection, and closes it before the response is complete",
    "look for a proxy or a firewall in between; try again later",
)  # fmt: skip


def _too_slow(remedy: str) -> Rule:
    return (
        r"in time|within", "too_slow", "the server accepts the connection, but does not respond in time",
        f"try again later; {remedy}",
    )  # fmt: skip


def _idaas_down(pattern: str) -> Rule:
    return pattern, "service_down", "IDaaS has a fault, or limits requests", "try again later"


_SERVICE: Final[tuple[Rule, ...]] = (
    (r"redirects|status 3\d\d", "redirected", "the address redirects, and redirects are not followed",
     "set {url_setting} to the final address"),
    (r"status 404", "no_such_address", "the server has nothing at the address",
     "correct the path in {url_setting}"),
    (r"status 429", "limited", "the service limits requests", "try again later, or raise the quota"),
    (r"status 5\d\d", "service_down", "the service itself has a fault", "try again later; see its logs"),
    _too_slow("check {url_setting}"),
    _CLOSED,
)  # fmt: skip

RULES: Final[Mapping[ErrorCode, tuple[Rule, ...]]] = {
    AgentCode.SETTINGS_INVALID: (
        (r"Redis does not accept", "password_refused", "Redis refuses the user or the password",
         "correct them in REDIS_URL; until then each process counts requests alone"),
        (r"Redis", "no_redis", "the server at REDIS_URL is no Redis, or refuses this client",
         "correct REDIS_URL; until then each process counts requests alone"),
    ),
    AgentCode.CONVERSATIONS_UNAVAILABLE: (
        (r"another program", "another_program", "the file is a database, but not of this agent",
         "set CONVERSATIONS_URL to a file of its own"),
        (r'lacks the line "clear"', "clear_not_allowed", "they were stored before there was a key",
         'add a line "clear" to CONVERSATIONS_KEY_FILE until the log says that they are encrypted'),
        (r"lacks the key", "key_missing", "they are encrypted under a key that the agent does not have",
         "add that key to CONVERSATIONS_KEY_FILE, from its backup"),
        (r"user or the password", "password_refused", "PostgreSQL refuses the user or the password",
         "correct them in CONVERSATIONS_URL"),
        (r"no such database", "no_such_database", "the server has no database of this name",
         "make it, or correct CONVERSATIONS_URL"),
        (r"may not make", "no_permission", "the user may not make the tables, or not use them",
         "grant CREATE on the database, or the rights on the tables (docs/conversations.md)"),
        (r"TLS", "no_tls", "the server does not speak TLS, or its certificate is not trusted",
         "set SSL_CERT_FILE, or correct the host in CONVERSATIONS_URL"),
        (r"name is not known", "name_unknown", "the name of the server is not known",
         "correct the host in CONVERSATIONS_URL, or the name service"),
        (r"does not respond", "no_response", "there is no PostgreSQL at the address, or it is not reachable",
         "start it; correct CONVERSATIONS_URL; look for a firewall in between"),
        (r"damaged", "damaged", "the file is damaged, or is no database at all",
         "restore it from a backup, or set CONVERSATIONS_URL to another file; this one is left as it is"),
    ),
    IdentityCode.ACCESS_TOKEN_INVALID: (
        (r'claim "aud"', "another_audience", "the token is not for this agent",
         "sign in with a scope of this agent's audience, or correct AGENT_AUDIENCE"),
        (r'claim "iss"', "another_issuer", "the token names another issuer than the SDK configuration",
         "correct issuer in the SDK configuration (the iss of a token), or sign in at that instance"),
        (r'claim "exp"', "expired", "the token has expired", "sign in again"),
        (r'claim "(iat|nbf)"', "clock", "the clock of this machine and that of IDaaS differ by over 30 s",
         "set the clock of this machine (NTP)"),
        (r'header "kid"|signature', "another_jwks", "the token is not signed by a key of JWKS_ENDPOINT",
         "set JWKS_ENDPOINT to the jwks_uri of the issuer in the SDK configuration"),
        (r"", "no_token", "this is not an access token as IDaaS issues them",
         "copy the whole token, without 'Bearer' and without quotes"),
    ),
    IdentityCode.JWKS_UNAVAILABLE: (
        (r"found (404|3\d\d)", "no_such_address", "there is no JWKS at the address",
         "set JWKS_ENDPOINT to the jwks_uri of the issuer"),
        _idaas_down(r"found (429|5\d\d)"),
        (r"the (answer|response)", "no_jwks", "the response of the address is not a JWKS",
         "set JWKS_ENDPOINT to the jwks_uri of the issuer; look for a proxy in between"),
        _too_slow("check JWKS_ENDPOINT and the network"),
        _CLOSED,
    ),
    IdentityCode.IDAAS_UNREACHABLE: (
        (r"is the clock right", "clock", "the clock of this machine is ahead of that of IDaaS",
         "set the clock of this machine (NTP)"),
        _idaas_down(r"status (429|5\d\d)"),
        (r"the (answer|response)|found status", "not_idaas", "the response is not one of IDaaS",
         "check {url_setting} in the SDK configuration; look for a proxy in between"),
        _too_slow("check {url_setting} in the SDK configuration and the network"),
        _CLOSED,
    ),
    IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE: _CREDENTIAL_UNAVAILABLE,
    IdentityCode.CLIENT_AUTHENTICATION_FAILED: _CLIENT_REFUSED,
    GraphCode.LLM_API_KEY_UNAVAILABLE: _KEY,
    ToolCode.EXTERNAL_API_KEY_UNAVAILABLE: _KEY,
    IdentityCode.SERVICE_KEY_UNAVAILABLE: _KEY,
    IdentityCode.MACHINE_TOKEN_FAILED: (
        (r"urn:cloud:idaas:pam", "no_credential_store", "the agent may not use the credential store of IDaaS",
         "give the agent the permissions of urn:cloud:idaas:pam in IDaaS"),
        (r"", "not_granted", "IDaaS has no such scope, or does not grant it to the agent in its own name",
         "correct {credential_setting}, or authorize the agent for it in IDaaS (outbound, type client)"),
    ),
    IdentityCode.USER_TOKEN_REFUSED: (
        (r"", "token_not_exchanged", "IDaaS does not exchange this token of the user",
         "sign in again, for the audience of this agent"),
    ),
    IdentityCode.AGENT_EXCHANGE_REFUSED: (
        (r"", "no_exchange", "the agent may not exchange tokens",
         "allow the grant type token exchange for the agent in IDaaS"),
    ),
    IdentityCode.TOKEN_EXCHANGE_FAILED: (
        (r"OpenAPI: (Missing|InvalidParameter\.GrantType)", "subject_token_not_read",
         "the OpenAPI does not read the user's access token from the body",
         ("choose another authnMethod for Human identity; or accept that proxies may log the token: "
          "OPENAPI_SUBJECT_TOKEN_IN=query")),
        (r"access_denied|UserDisabled", "user_disabled", "the user is disabled, or lacks the permission",
         "check the user in IDaaS"),
        (r"urn:cloud:idaas:pam", "no_credential_store",
         "the user, or the agent for users, may not use the credential store of IDaaS",
         "give both the permissions of urn:cloud:idaas:pam in IDaaS"),
        (r"", "not_granted", "IDaaS has no such scope, or does not grant it to the user or the agent",
         "correct {credential_setting}, or grant it in IDaaS to the user and (outbound) to the agent"),
    ),
    GraphCode.MODEL_CALL_FAILED: (
        (r"status 401", "key_refused", "the model service does not accept the key: of another region?",
         "set LLM_BASE_URL to the region of the key; check that {credential_setting} names the model's key"),
        (r"status 403", "not_activated", "the account of the key may not use the model",
         "activate the model in Model Studio, or choose another with LLM_MODEL"),
        (r"model_not_found", "no_such_model", "the model service has no such model", "correct LLM_MODEL"),
        (r"status 400", "request_refused", "the model does not accept the request",
         "check LLM_MODEL and LLM_ENABLE_THINKING"),
        *_SERVICE,
    ),
    ToolCode.EXTERNAL_SERVICE_FAILED: (
        (r"status 40[13]", "key_refused", "the server does not accept the key",
         "check that {credential_setting} names this server's key, whose account has activated the service"),
        *_SERVICE,
    ),
    ToolCode.SERVICE_FAILED: (
        (r"status 40[13]", "credential_refused", 'the service "{service}" does not accept {credential}',
         "check {credential_setting}, and where the service expects the credential (placement)"),
        (r"raised", "tool_raised", 'the code of the service "{service}" raised an exception',
         "correct the code at the place that is named"),
        *_SERVICE,
    ),
    ToolCode.ENTERPRISE_SERVICE_FAILED: (
        (r"status 40[13]", "token_refused", "the service does not accept the token, or does not find it",
         "check {credential_setting}, and that the trigger reads Authorization with the prefix 'Bearer '"),
        *_SERVICE,
    ),
}  # fmt: skip
