"""The codes of the errors that services raise. `errors.toml` has their rows."""

from identity.errors import ErrorCode


class ToolCode(ErrorCode):
    """`SERVICE_FAILED` is the default; the enterprise and the external service have codes of their own."""

    SERVICE_FAILED = "service_failed"
    PERMISSION_MISSING = "permission_missing"
    ENTERPRISE_SERVICE_FAILED = "enterprise_service_failed"
    ENTERPRISE_JWT_REJECTED = "enterprise_jwt_rejected"
    EXTERNAL_API_KEY_UNAVAILABLE = "external_api_key_unavailable"
    EXTERNAL_SERVICE_FAILED = "external_service_failed"
