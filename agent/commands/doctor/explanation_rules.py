"""What the detail of an error says of its cause. The first rule of a code whose pattern is found applies.

In a cause and a remedy, `{service}` is the name of the part, `{credential}` describes its credential, and
`{credential_setting}` and `{url_setting}` name the settings that configure its credential and its address.
"""

from collections.abc import Mapping
from typing import Final

from agent.commands.doctor.client_faults import (
    CLIENT_REFUSED,
    CREDENTIAL_UNAVAILABLE,
    EXCHANGE_BY_OPENAPI,
    Rule,
)
from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import ErrorCode
from tools.error_codes import ToolCode

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
    IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE: CREDENTIAL_UNAVAILABLE,
    IdentityCode.CLIENT_AUTHENTICATION_FAILED: CLIENT_REFUSED,
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
        *EXCHANGE_BY_OPENAPI,
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
