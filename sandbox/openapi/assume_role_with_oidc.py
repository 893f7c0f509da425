"""AssumeRoleWithOIDC (sts, 2015-04-01): credentials of the execution role for a workload's token."""

from typing import Any

from sandbox.federation.id_token import STS_AUDIENCE, SUBJECT, IdTokenRefusedError
from sandbox.openapi.gateway import OpenApiError, RpcRequest
from sandbox.ram import OIDC_PROVIDER_ARN, ROLE, ROLE_ARN, utc_text
from sandbox.state.cloud import Cloud
from sandbox.state.records import Event

_SHORTEST, _LONGEST = 900, 3600
_REFUSALS = {
    "expired": ("AuthenticationFail.OIDCToken.Expired", "This JsonWebToken is expired."),
    "audience": ("AuthenticationFail.OIDCToken.AudienceNotMatch", "Invalid audience."),
    "issuer": ("AuthenticationFail.OIDCToken.IssuerNotMatch", "Invalid issuer."),
}
_INVALID = ("AuthenticationFail.OIDCToken.Invalid", "This JsonWebToken is invalid.")


class AssumeRoleWithOidc:
    """The request has no signature: the token is the proof."""

    service = "sts"
    name = "AssumeRoleWithOIDC"
    version = "2015-04-01"

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def perform(self, request: RpcRequest, event: Event) -> dict[str, Any]:
        """Temporary credentials, which are recorded. Raises OpenApiError."""
        event.authentication = "oidc"
        if request.required("RoleArn") != ROLE_ARN:
            raise OpenApiError("EntityNotExist.Role", "The role not exists.", 404)
        if request.required("OIDCProviderArn") != OIDC_PROVIDER_ARN:
            raise OpenApiError("EntityNotExist.OIDCProvider", "The OIDC provider not exists.", 404)
        session = request.required("RoleSessionName")
        seconds = request.parameters.get("DurationSeconds", str(_LONGEST))
        if not seconds.isdecimal() or not _SHORTEST <= int(seconds) <= _LONGEST:
            raise OpenApiError("InvalidParameter.DurationSeconds", "The DurationSeconds is out of range.")
        try:
            claims = self._cloud.federation.verify_id_token(
                request.required("OIDCToken"), frozenset({STS_AUDIENCE})
            )
        except IdTokenRefusedError as error:
            raise OpenApiError(*_REFUSALS.get(error.reason, _INVALID)) from error
        if claims.get("sub") != SUBJECT:
            raise OpenApiError("NoPermission", "You are not authorized to do this action.", 403)
        credential = self._cloud.execution_role.issue(int(seconds))
        self._cloud.events.record(event)
        return {
            "OIDCTokenInfo": {"Subject": SUBJECT, "Issuer": claims["iss"], "ClientIds": STS_AUDIENCE},
            "AssumedRoleUser": {
                "Arn": f"{ROLE_ARN.replace(':role/', ':assumed-role/')}/{session}",
                "AssumedRoleId": f"{ROLE}:{session}",
            },
            "Credentials": {
                "AccessKeyId": credential.access_key_id,
                "AccessKeySecret": credential.access_key_secret,
                "SecurityToken": credential.security_token,
                "Expiration": utc_text(credential.expires_at),
            },
        }
