"""The codes of the errors that `identity` raises. `errors.toml` has their rows."""

from identity.errors import ErrorCode


class IdentityCode(ErrorCode):
    """Codes of access tokens, credentials, signing keys, IDaaS, settings and records."""

    ACCESS_TOKEN_INVALID = "access_token_invalid"  # noqa: S105 - a code
    ACCESS_REVOKED = "access_revoked"
    SIGN_IN_REQUIRED = "sign_in_required"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    SERVICE_KEY_UNAVAILABLE = "service_key_unavailable"
    SERVICE_CREDENTIAL_UNAVAILABLE = "service_credential_unavailable"
    ISSUER_REFUSED = "issuer_refused"
    ISSUER_UNREACHABLE = "issuer_unreachable"
    CONSENT_REQUIRED = "consent_required"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code
    USER_TOKEN_REFUSED = "user_token_refused"  # noqa: S105 - a code
    AGENT_EXCHANGE_REFUSED = "agent_exchange_refused"
    MACHINE_TOKEN_FAILED = "machine_token_failed"  # noqa: S105 - a code
    CLIENT_AUTHENTICATION_FAILED = "client_authentication_failed"
    CLIENT_CREDENTIAL_UNAVAILABLE = "client_credential_unavailable"
    JWKS_UNAVAILABLE = "jwks_unavailable"
    IDAAS_UNREACHABLE = "idaas_unreachable"
    SDK_CONFIG_UNREADABLE = "sdk_config_unreadable"
    SETTINGS_INVALID = "settings_invalid"
    AUDIT_UNAVAILABLE = "audit_unavailable"
