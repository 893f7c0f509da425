"""The codes of the errors that `identity` raises, and their rows of the error table."""

from enum import unique

from identity.errors import ErrorCode, ErrorRow


@unique
class IdentityCode(ErrorCode):
    """Codes of access tokens, credentials, signing keys and IDaaS."""

    ACCESS_TOKEN_INVALID = ErrorRow(
        "access_token_invalid",
        symptom="Access token validation failed",
        cause="the access token is expired or invalid",
        remedy="sign in again",
        person="Your sign-in has expired or is not valid for this agent. Sign in again",
    )
    ACCESS_REVOKED = ErrorRow(
        "access_revoked",
        symptom="The access was revoked",
        cause="an operator, or an event of IDaaS, revoked the access tokens that the user had until then",
        remedy="none if that is intended; otherwise restore the access, or let the user sign in again",
        person="Your access was withdrawn. Sign in again, or ask your administrator",
    )
    SIGN_IN_REQUIRED = ErrorRow(
        "sign_in_required",
        symptom="The run needs a sign-in of its owner",
        cause="the run was continued later, by another process or after the access token of its owner had "
        "expired, and has no access token that can be used; or a decision came with one that had just "
        "expired",
        remedy="let the owner of the run sign in and continue it; if it repeats, check that all processes "
        "have the same keys for sealed callers",
        person="The agent needs you to sign in again before it can go on. Sign in, and continue",
    )
    INSUFFICIENT_SCOPE = ErrorRow(
        "insufficient_scope",
        symptom="Access token lacks the required scope",
        cause="the access token is valid but was issued without the permission that this agent requires",
        remedy="check {settings} and the inbound authorization of the client in IDaaS, then sign in again",
        person="You are signed in, but you have no permission for this agent. Ask your administrator",
        unnamed_settings="the scope that this agent requires",
    )
    SERVICE_KEY_UNAVAILABLE = ErrorRow(
        "service_key_unavailable",
        symptom="Failed to retrieve the API key of a service",
        cause="the credential identifier is wrong, or the agent (in Human identity: the user) may not read "
        "the credential",
        remedy="check {settings}, and the outbound authorization to the credential in IDaaS",
        person="The agent could not get the key for {service}. Ask your administrator",
    )
    SERVICE_CREDENTIAL_UNAVAILABLE = ErrorRow(
        "service_credential_unavailable",
        symptom="Failed to obtain a credential of the store",
        cause="the provider or role is wrong or disabled, or is not released to the agent (in Human "
        "identity: and to the user)",
        remedy="check {settings}, and the outbound authorization to the provider or role in IDaaS",
        person="The agent could not get the credential for {service}. Ask your administrator",
    )
    CONSENT_REQUIRED = ErrorRow(
        "consent_required",
        symptom="The user has to allow the access",
        cause="the service belongs to another provider, and the user has not allowed the agent to use their "
        "account there, or no longer does",
        remedy="the user opens the address that they are shown, allows the access, and asks again",
        person="You have not allowed the agent to use your account of {service}. Allow the access, and ask "
        "again",
    )
    TOKEN_EXCHANGE_FAILED = ErrorRow(
        "token_exchange_failed",
        symptom="Token exchange failed",
        cause="IDaaS refused to exchange the user's access token: the user or the agent is not granted the "
        "scope, or is disabled; the response of IDaaS does not distinguish them",
        remedy="check the user's permission and the agent's outbound authorization for this scope in IDaaS",
        person="You or the agent may lack the permission for {service}. Ask your administrator",
    )
    USER_TOKEN_REFUSED = ErrorRow(
        "user_token_refused",
        symptom="The user's access token cannot be exchanged",
        cause="IDaaS does not accept the user's access token for an exchange: it has expired or was revoked, "
        "is for another audience, or was exchanged too often; or it is a client's own",
        remedy="the user signs in again; check that the sign-in requests the audience of this agent",
        person="Your sign-in could not be used for {service}. Sign in again",
    )
    AGENT_EXCHANGE_REFUSED = ErrorRow(
        "agent_exchange_refused",
        symptom="The agent may not exchange tokens",
        cause="the grant type token exchange is not allowed to the agent in IDaaS; the user's permissions "
        "are not the reason",
        remedy="allow the grant type token exchange for the agent in IDaaS",
        person="The agent may not use {service} on behalf of users. Your own permissions are not the reason. "
        "Ask your administrator",
        caused_by_callers=False,
    )
    MACHINE_TOKEN_FAILED = ErrorRow(
        "machine_token_failed",
        symptom="Failed to obtain the agent's own access token",
        cause="IDaaS refused the scope to the agent",
        remedy="check the scope and the agent's outbound authorization in IDaaS",
        person="The agent has no permission for {service}. Your own permissions are not the reason. Ask your "
        "administrator",
        caused_by_callers=False,
    )
    CLIENT_AUTHENTICATION_FAILED = ErrorRow(
        "client_authentication_failed",
        symptom="IDaaS does not accept the agent's client credential",
        cause="the client secret, key, document, token or certificate is wrong, disabled or expired, or "
        "clientId names another client",
        remedy="check clientId and authnConfiguration in the SDK configuration, and the secret or key in its "
        "variable or file",
        person="The agent could not prove its identity. Your own permissions are not the reason. Ask your "
        "administrator",
        caused_by_callers=False,
    )
    CLIENT_CREDENTIAL_UNAVAILABLE = ErrorRow(
        "client_credential_unavailable",
        symptom="The agent's client credential could not be obtained",
        cause="the metadata service, the token file or the source of the role credential has none now",
        remedy="check authnMethod in the SDK configuration, and that the platform provides what it needs",
        person="The agent could not prove its identity. Your own permissions are not the reason. Try again "
        "later, or ask your administrator",
        caused_by_callers=False,
    )
    JWKS_UNAVAILABLE = ErrorRow(
        "jwks_unavailable",
        symptom="Signing keys could not be fetched",
        cause="the JWKS endpoint could not be reached, or its response is not a JWKS",
        remedy="check {settings} and the network path from the agent to IDaaS",
        person="Your sign-in cannot be checked at the moment. Try again later",
        unnamed_settings="the address of the JWKS",
    )
    IDAAS_UNREACHABLE = ErrorRow(
        "idaas_unreachable",
        symptom="IDaaS could not be reached",
        cause="the token endpoint or the Developer API did not respond in time, or responded with a server "
        "error",
        remedy="check tokenEndpoint and developerApiEndpoint in the SDK configuration, and the network; try "
        "again later",
        person="The identity service could not be reached. Try again later",
    )
    SDK_CONFIG_UNREADABLE = ErrorRow(
        "sdk_config_unreadable",
        symptom="Failed to load the SDK configuration",
        cause="the path is wrong, the file is not JSON, or a member is missing or wrong",
        remedy="check {settings} and the member that is named",
        person="The agent is not set up correctly. Ask your administrator",
        unnamed_settings="the path of the SDK configuration",
        caused_by_callers=False,
    )
