"""The error table: one row for each code, the same words on every surface, in `doctor` and in logs.

The first five rows are the vendor tutorial's; the others follow their form.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ErrorCode(StrEnum):
    """Stable codes. A caller may branch on them; texts may be reworded."""

    ACCESS_TOKEN_INVALID = "access_token_invalid"  # noqa: S105 - a code, no secret
    LLM_API_KEY_UNAVAILABLE = "llm_api_key_unavailable"
    ENTERPRISE_SERVICE_FAILED = "enterprise_service_failed"
    ENTERPRISE_JWT_REJECTED = "enterprise_jwt_rejected"
    SDK_CONFIG_UNREADABLE = "sdk_config_unreadable"
    ACCESS_TOKEN_MISSING = "access_token_missing"  # noqa: S105 - a code, no secret
    INSUFFICIENT_SCOPE = "insufficient_scope"
    EXTERNAL_API_KEY_UNAVAILABLE = "external_api_key_unavailable"
    EXTERNAL_SERVICE_FAILED = "external_service_failed"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code, no secret
    MACHINE_TOKEN_FAILED = "machine_token_failed"  # noqa: S105 - a code, no secret
    CLIENT_AUTHENTICATION_FAILED = "client_authentication_failed"
    MODEL_CALL_FAILED = "model_call_failed"
    JWKS_UNAVAILABLE = "jwks_unavailable"
    IDAAS_UNREACHABLE = "idaas_unreachable"
    RUN_TIMED_OUT = "run_timed_out"
    SHUTTING_DOWN = "shutting_down"
    RATE_LIMITED = "rate_limited"
    TOO_MANY_RUNS = "too_many_runs"
    OVERLOADED = "overloaded"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    SETTINGS_INVALID = "settings_invalid"


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """What a person needs to know of one code."""

    symptom: str
    cause: str
    remedy: str


ERROR_TABLE: Mapping[ErrorCode, ErrorRow] = MappingProxyType(
    {
        ErrorCode.ACCESS_TOKEN_INVALID: ErrorRow(
            "Access token validation failed",
            "the access token is expired or invalid",
            "sign in again",
        ),
        ErrorCode.ACCESS_TOKEN_MISSING: ErrorRow(
            "No access token",
            "the request has no Authorization header of the form 'Bearer <access token>'",
            "sign in, and send the access token in the Authorization header",
        ),
        ErrorCode.INSUFFICIENT_SCOPE: ErrorRow(
            "Access token lacks the required scope",
            "the access token is valid but was issued without the permission that this agent requires",
            "check AGENT_SCOPE and the inbound authorization of the client in IDaaS, then sign in again",
        ),
        ErrorCode.LLM_API_KEY_UNAVAILABLE: ErrorRow(
            "Failed to retrieve the large model API key",
            "the credential identifier is wrong, or the agent (in Human identity: the user) may not read it",
            "check LLM_API_KEY_IDENTIFIER and the outbound authorization to the LLM node in IDaaS",
        ),
        ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE: ErrorRow(
            "Failed to retrieve the external service API key",
            "the credential identifier is wrong, or the agent (in Human identity: the user) may not read it",
            "check EXTERNAL_SERVER_API_KEY_IDENTIFIER and the outbound authorization to the "
            "external service node",
        ),
        ErrorCode.EXTERNAL_SERVICE_FAILED: ErrorRow(
            "External service call failed",
            "the external MCP server rejected the key, could not be reached, or answered with an error",
            "check EXTERNAL_SERVER_URL, and that the service is activated for the account of the API key",
        ),
        ErrorCode.ENTERPRISE_SERVICE_FAILED: ErrorRow(
            "Enterprise service call failed",
            "the access token for the service lacks the scope, or the service itself failed",
            "check ENTERPRISE_SERVICE_SCOPE, ENTERPRISE_SERVICE_URL and the outbound authorization in IDaaS",
        ),
        ErrorCode.ENTERPRISE_JWT_REJECTED: ErrorRow(
            "JWT authentication failed",
            "the JWKS of the service's HTTP trigger is not the current JWKS of IDaaS",
            "paste the current JWKS of IDaaS into the JWT authentication of the HTTP trigger",
        ),
        ErrorCode.TOKEN_EXCHANGE_FAILED: ErrorRow(
            "Token exchange failed",
            "IDaaS refused to exchange the user's access token: the user or the agent is not "
            "granted the scope",
            "check the user's permission and the agent's outbound authorization for this scope in IDaaS",
        ),
        ErrorCode.MACHINE_TOKEN_FAILED: ErrorRow(
            "Failed to obtain the agent's own access token",
            "IDaaS refused the scope to the agent",
            "check the scope and the agent's outbound authorization in IDaaS",
        ),
        ErrorCode.CLIENT_AUTHENTICATION_FAILED: ErrorRow(
            "IDaaS does not accept the agent's client credential",
            "the client secret or private key is wrong, disabled or expired, or clientId "
            "names another client",
            "check clientId in the SDK configuration and the secret or key in its environment variable",
        ),
        ErrorCode.MODEL_CALL_FAILED: ErrorRow(
            "Large model call failed",
            "the model service rejected the request or the key, is limiting requests, or "
            "could not be reached",
            "check LLM_BASE_URL and LLM_MODEL, and that the API key belongs to the same "
            "region; try again later",
        ),
        ErrorCode.JWKS_UNAVAILABLE: ErrorRow(
            "Signing keys could not be fetched",
            "the JWKS endpoint could not be reached or did not answer with a JWKS",
            "check JWKS_ENDPOINT and the network path from the agent to IDaaS",
        ),
        ErrorCode.IDAAS_UNREACHABLE: ErrorRow(
            "IDaaS could not be reached",
            "the token endpoint or the Developer API did not answer in time, or answered with a server error",
            "check tokenEndpoint and developerApiEndpoint in the SDK configuration and the "
            "network; try again later",
        ),
        ErrorCode.RUN_TIMED_OUT: ErrorRow(
            "The answer took too long",
            "the model and the tools together needed more than the time that one run may take",
            "ask for less at once, or raise RUN_TIMEOUT_SECONDS",
        ),
        ErrorCode.SHUTTING_DOWN: ErrorRow(
            "The agent is being stopped",
            "whoever runs the agent stopped it or is replacing it before the answer was complete",
            "ask again in a moment; tool calls of this answer may already have taken effect",
        ),
        ErrorCode.RATE_LIMITED: ErrorRow(
            "Too many requests",
            "the caller sent more requests in a minute than the agent takes from one",
            "wait as long as Retry-After says, or raise MAX_REQUESTS_PER_MINUTE",
        ),
        ErrorCode.TOO_MANY_RUNS: ErrorRow(
            "Too many answers at once",
            "as many answers for this caller are under way as one may have",
            "wait until one has ended, or raise MAX_CONCURRENT_RUNS",
        ),
        ErrorCode.OVERLOADED: ErrorRow(
            "The agent is busy",
            "as many answers are under way as the agent works on at once",
            "try again in a moment; raise MAX_RUNS or run more processes if it repeats",
        ),
        ErrorCode.AUDIT_UNAVAILABLE: ErrorRow(
            "The audit log could not be written",
            "the disk is full, or AUDIT_LOG_FILE names a file that the agent may not write",
            "make AUDIT_LOG_FILE writable: the agent goes on by itself; the log of the agent has the reason",
        ),
        ErrorCode.SDK_CONFIG_UNREADABLE: ErrorRow(
            "Failed to load the SDK configuration",
            "the path is wrong, the file is not JSON, or a member is missing or wrong",
            "check CLOUD_IDAAS_CONFIG_PATH and the member that is named",
        ),
        ErrorCode.SETTINGS_INVALID: ErrorRow(
            "The agent's settings are invalid",
            "an environment variable is missing or has a value that cannot be used",
            "correct each variable that is named",
        ),
    }
)
