"""The codes of the errors that services raise, and their rows of the error table."""

from enum import unique

from identity.errors import ErrorCode, ErrorRow


@unique
class ToolCode(ErrorCode):
    """`SERVICE_FAILED` is the default; the enterprise and the external service have codes of their own."""

    SERVICE_FAILED = ErrorRow(
        "service_failed",
        symptom="Service call failed",
        cause="the service could not be reached, refused the credential, or responded with an error",
        remedy="check {settings}, the outbound authorization in IDaaS, and that the service is running",
        person="The call to {service} failed. Try again later, or ask your administrator",
    )
    PERMISSION_MISSING = ErrorRow(
        "permission_missing",
        symptom="The service requires a further permission",
        cause="the access token for the service lacks the permission that the log names",
        remedy="if the call may have it, add it to step_up of the service, and grant it in IDaaS",
        person="This needs a further permission for {service}. Ask your administrator for it",
    )
    ENTERPRISE_SERVICE_FAILED = ErrorRow(
        "enterprise_service_failed",
        symptom="Enterprise service call failed",
        cause="the access token for the service lacks the scope, or the service itself failed",
        remedy="check {settings}, and the outbound authorization in IDaaS",
        person="The call to {service} failed. Try again later, or ask your administrator",
    )
    ENTERPRISE_JWT_REJECTED = ErrorRow(
        "enterprise_jwt_rejected",
        symptom="JWT authentication failed",
        cause="the JWKS of the service's HTTP trigger is not the current JWKS of IDaaS",
        remedy="paste the current JWKS of IDaaS into the JWT authentication of the HTTP trigger",
        person="The agent is not accepted by {service}. Your own permissions are not the reason. Ask your "
        "administrator",
        caused_by_callers=False,
    )
    EXTERNAL_API_KEY_UNAVAILABLE = ErrorRow(
        "external_api_key_unavailable",
        symptom="Failed to retrieve the external service API key",
        cause="the credential identifier is wrong, or the agent (in Human identity: the user) may not read "
        "the credential",
        remedy="check {settings}, and the outbound authorization to the external service node in IDaaS",
        person="The agent could not get the key for {service}. Ask your administrator",
    )
    EXTERNAL_SERVICE_FAILED = ErrorRow(
        "external_service_failed",
        symptom="External service call failed",
        cause="the external MCP server refused the key, could not be reached, or responded with an error",
        remedy="check {settings}, and that the service is activated for the account of the API key",
        person="The call to {service} failed. Try again later, or ask your administrator",
    )
