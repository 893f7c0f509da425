"""The error table: one row for each code, with words for two readers.

The person in front of the page reads `person`: what happened, and what they can do. Symptom, cause and remedy
are for operators: `doctor`, `/ready` and the log show them, answers to callers and prompts do not.
The first five rows are the vendor tutorial's; the others follow their form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final


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
    SERVICE_FAILED = "service_failed"
    SERVICE_KEY_UNAVAILABLE = "service_key_unavailable"
    TOKEN_EXCHANGE_FAILED = "token_exchange_failed"  # noqa: S105 - a code, no secret
    USER_TOKEN_REFUSED = "user_token_refused"  # noqa: S105 - a code, no secret
    AGENT_EXCHANGE_REFUSED = "agent_exchange_refused"
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
    """One code in the words of its two readers.

    `person` is one or two sentences without the last full stop; `{service}` stands for the service that the
    error is about. It names no variable, client, credential, audience or scope. `{settings}` in `remedy`
    stands for the settings that the service declares. `service` is the service that every error of this code
    is about.
    """

    symptom: str
    cause: str
    remedy: str
    person: str
    service: str | None = None

    def naming(self, settings: Sequence[str]) -> "ErrorRow":
        """The row whose remedy names `settings`; without any, it names the service's declaration."""
        named = ", ".join(settings) or "the declaration of the service"
        return replace(self, remedy=self.remedy.replace("{settings}", named))

    def for_person(self, service: str | None = None, reference: str | None = None) -> str:
        """What the person reads. `reference` is the request id, by which operators find their line."""
        named = _NAMES.get(service, f"the {service} service") if service else "a service that the agent needs"
        end = f"; reference {reference}." if reference else "."
        return self.person.format(service=named) + end


_NAMES: Final = {"model": "the language model"}
"""How people know a node that is no service to them."""


ERROR_TABLE: Mapping[ErrorCode, ErrorRow] = MappingProxyType(
    {
        ErrorCode.ACCESS_TOKEN_INVALID: ErrorRow(
            "Access token validation failed",
            "the access token is expired or invalid",
            "sign in again",
            "Your sign-in has expired or is not valid for this agent. Sign in again",
        ),
        ErrorCode.ACCESS_TOKEN_MISSING: ErrorRow(
            "No access token",
            "the request has no Authorization header of the form 'Bearer <access token>'",
            "sign in, and send the access token in the Authorization header",
            "You are not signed in. Sign in, and try again",
        ),
        ErrorCode.INSUFFICIENT_SCOPE: ErrorRow(
            "Access token lacks the required scope",
            "the access token is valid but was issued without the permission that this agent requires",
            "check AGENT_SCOPE and the inbound authorization of the client in IDaaS, then sign in again",
            "You are signed in, but you have no permission for this agent. Ask your administrator",
        ),
        ErrorCode.LLM_API_KEY_UNAVAILABLE: ErrorRow(
            "Failed to retrieve the large model API key",
            "the credential identifier is wrong, or the agent (in Human identity: the user) may not read it",
            "check LLM_API_KEY_IDENTIFIER and the outbound authorization to the LLM node in IDaaS",
            "The agent could not get its key for the language model. Ask your administrator",
            service="model",
        ),
        ErrorCode.EXTERNAL_API_KEY_UNAVAILABLE: ErrorRow(
            "Failed to retrieve the external service API key",
            "the credential identifier is wrong, or the agent (in Human identity: the user) may not read it",
            "check EXTERNAL_SERVER_API_KEY_IDENTIFIER and the outbound authorization to the "
            "external service node",
            "The agent could not get the key for {service}. Ask your administrator",
        ),
        ErrorCode.EXTERNAL_SERVICE_FAILED: ErrorRow(
            "External service call failed",
            "the external MCP server rejected the key, could not be reached, or answered with an error",
            "check EXTERNAL_SERVER_URL, and that the service is activated for the account of the API key",
            "The call to {service} failed. Try again later, or ask your administrator",
        ),
        ErrorCode.SERVICE_FAILED: ErrorRow(
            "Service call failed",
            "the service could not be reached, refused the credential, or answered with an error",
            "check {settings}, the outbound authorization in IDaaS, and that the service is running",
            "The call to {service} failed. Try again later, or ask your administrator",
        ),
        ErrorCode.SERVICE_KEY_UNAVAILABLE: ErrorRow(
            "Failed to retrieve the API key of a service",
            "the credential identifier is wrong, or the agent (in Human identity: the user) may not read it",
            "check {settings}, and the outbound authorization to the credential in IDaaS",
            "The agent could not get the key for {service}. Ask your administrator",
        ),
        ErrorCode.ENTERPRISE_SERVICE_FAILED: ErrorRow(
            "Enterprise service call failed",
            "the access token for the service lacks the scope, or the service itself failed",
            "check ENTERPRISE_SERVICE_SCOPE, ENTERPRISE_SERVICE_URL and the outbound authorization in IDaaS",
            "The call to {service} failed. Try again later, or ask your administrator",
        ),
        ErrorCode.ENTERPRISE_JWT_REJECTED: ErrorRow(
            "JWT authentication failed",
            "the JWKS of the service's HTTP trigger is not the current JWKS of IDaaS",
            "paste the current JWKS of IDaaS into the JWT authentication of the HTTP trigger",
            "The agent is not accepted by {service}. Your own permissions are not the reason. Ask your "
            "administrator",
        ),
        ErrorCode.TOKEN_EXCHANGE_FAILED: ErrorRow(
            "Token exchange failed",
            "IDaaS refused to exchange the user's access token: the user or the agent is not granted the "
            "scope, or is disabled; IDaaS does not say which",
            "check the user's permission and the agent's outbound authorization for this scope in IDaaS",
            "You or the agent may lack the permission for {service}. Ask your administrator",
        ),
        ErrorCode.USER_TOKEN_REFUSED: ErrorRow(
            "The user's access token cannot be exchanged",
            "IDaaS does not take the user's access token for an exchange: it has expired or was revoked, "
            "is for another audience, or was exchanged too often",
            "the user signs in again; check that the sign-in asks for the audience of this agent",
            "Your sign-in could not be used for {service}. Sign in again",
        ),
        ErrorCode.AGENT_EXCHANGE_REFUSED: ErrorRow(
            "The agent may not exchange tokens",
            "the grant type token exchange is not allowed to the agent in IDaaS; the user's permissions are "
            "not the reason",
            "allow the grant type token exchange for the agent in IDaaS",
            "The agent may not use {service} on behalf of users. Your own permissions are not the reason. "
            "Ask your administrator",
        ),
        ErrorCode.MACHINE_TOKEN_FAILED: ErrorRow(
            "Failed to obtain the agent's own access token",
            "IDaaS refused the scope to the agent",
            "check the scope and the agent's outbound authorization in IDaaS",
            "The agent has no permission for {service}. Your own permissions are not the reason. Ask your "
            "administrator",
        ),
        ErrorCode.CLIENT_AUTHENTICATION_FAILED: ErrorRow(
            "IDaaS does not accept the agent's client credential",
            "the client secret or private key is wrong, disabled or expired, or clientId "
            "names another client",
            "check clientId in the SDK configuration and the secret or key in its environment variable",
            "The agent could not prove its identity. Your own permissions are not the reason. Ask your "
            "administrator",
        ),
        ErrorCode.MODEL_CALL_FAILED: ErrorRow(
            "Large model call failed",
            "the model service rejected the request or the key, is limiting requests, or "
            "could not be reached",
            "check LLM_BASE_URL and LLM_MODEL, and that the API key belongs to the same "
            "region; try again later",
            "The language model gave no usable answer. Try again later, or ask your administrator",
            service="model",
        ),
        ErrorCode.JWKS_UNAVAILABLE: ErrorRow(
            "Signing keys could not be fetched",
            "the JWKS endpoint could not be reached or did not answer with a JWKS",
            "check JWKS_ENDPOINT and the network path from the agent to IDaaS",
            "Your sign-in cannot be checked at the moment. Try again later",
        ),
        ErrorCode.IDAAS_UNREACHABLE: ErrorRow(
            "IDaaS could not be reached",
            "the token endpoint or the Developer API did not answer in time, or answered with a server error",
            "check tokenEndpoint and developerApiEndpoint in the SDK configuration and the "
            "network; try again later",
            "The identity service could not be reached. Try again later",
        ),
        ErrorCode.RUN_TIMED_OUT: ErrorRow(
            "The answer took too long",
            "the model and the tools together needed more than the time that one run may take",
            "ask for less at once, or raise RUN_TIMEOUT_SECONDS",
            "The answer took too long. Ask for less at once",
        ),
        ErrorCode.SHUTTING_DOWN: ErrorRow(
            "The agent is being stopped",
            "an operator or the platform stopped or replaced the agent before the answer was complete",
            "ask again in a moment; tool calls of this answer may already have taken effect",
            "The agent is being stopped. What it was doing for you may already have taken effect. Ask again"
            " in a moment",
        ),
        ErrorCode.RATE_LIMITED: ErrorRow(
            "Too many requests",
            "the caller sent more requests in a minute than the agent takes from one",
            "wait as long as Retry-After says, or raise MAX_REQUESTS_PER_MINUTE",
            "You have sent too many requests. Wait a moment, and try again",
        ),
        ErrorCode.TOO_MANY_RUNS: ErrorRow(
            "Too many answers at once",
            "as many answers for this caller are under way as one may have",
            "wait until one has ended, or raise MAX_CONCURRENT_RUNS",
            "Too many of your questions are being answered at once. Wait until one of them has ended",
        ),
        ErrorCode.OVERLOADED: ErrorRow(
            "The agent is busy",
            "as many answers are under way as the agent works on at once",
            "try again in a moment; raise MAX_RUNS or run more processes if it repeats",
            "The agent is busy. Try again in a moment",
        ),
        ErrorCode.AUDIT_UNAVAILABLE: ErrorRow(
            "The audit log could not be written",
            "the disk is full, or AUDIT_LOG_FILE names a file that the agent may not write",
            "make AUDIT_LOG_FILE writable: the agent goes on by itself; the log of the agent has the reason",
            "The agent cannot keep its records, and does nothing without them. Try again later, or ask your"
            " administrator",
        ),
        ErrorCode.SDK_CONFIG_UNREADABLE: ErrorRow(
            "Failed to load the SDK configuration",
            "the path is wrong, the file is not JSON, or a member is missing or wrong",
            "check CLOUD_IDAAS_CONFIG_PATH and the member that is named",
            "The agent is not set up correctly. Ask your administrator",
        ),
        ErrorCode.SETTINGS_INVALID: ErrorRow(
            "The agent's settings are invalid",
            "an environment variable is missing or has a value that cannot be used",
            "correct each variable that is named",
            "The agent is not set up correctly. Ask your administrator",
        ),
    }
)
