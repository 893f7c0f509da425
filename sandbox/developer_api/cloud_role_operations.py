"""The operations on cloud roles of PAM: which roles a caller may take, and temporary credentials of one."""

from typing import Any

from sandbox.developer_api.endpoint import Members, check_released, text
from sandbox.oauth_error import OAuthError
from sandbox.ram import CloudRole, utc_text
from sandbox.state.access_tokens import IssuedToken
from sandbox.state.cloud import Cloud

OBTAIN = "cloud_account_role:obtain_access_credential"
_ACCOUNT = "ca_sandbox01"
_SHORTEST, _LONGEST = 900, 43200


class CloudRoleOperations:
    """Each method is an operation."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def obtain(self, token: IssuedToken, given: Members) -> dict[str, Any]:
        """ObtainCloudAccountRoleAccessCredential. The role's own limit caps the duration."""
        role = self._cloud.cloud_roles.role(text(given, "cloudAccountRoleExternalId"))
        seconds = str(given.get("durationSeconds", _SHORTEST))
        if not seconds.isdecimal() or not _SHORTEST <= int(seconds) <= _LONGEST:
            raise OAuthError("invalid_request", f"durationSeconds must be from {_SHORTEST} to {_LONGEST}")
        if role is None:
            raise OAuthError("cloud_account_role_not_found", "the role is unknown", status=404)
        check_released(self._cloud, token, role.readers)
        if not role.enabled:
            raise OAuthError("credential_disabled", "the role is disabled", status=403)
        credential = self._cloud.cloud_roles.issue(role, min(int(seconds), role.longest))
        return _described(role) | {
            "cloudAccountRoleAccessCredential": {
                "accessCredentialExpiresAt": int(credential.expires_at),
                "alibabaCloudStsToken": {
                    "accessKeyId": credential.access_key_id,
                    "accessKeySecret": credential.access_key_secret,
                    "securityToken": credential.security_token,
                    "expiration": utc_text(credential.expires_at),
                },
            }
        }

    def list_assumable(self, token: IssuedToken, _given: Members) -> dict[str, Any]:
        """ListAssumableCloudAccountRoles: those that are released to the caller."""
        entities = [
            _described(role) | {"status": "enabled" if role.enabled else "disabled"}
            for role in self._cloud.cloud_roles
            if {token.client_id, token.subject} <= role.readers
        ]
        return {"entities": entities}


def _described(role: CloudRole) -> dict[str, Any]:
    return {
        "cloudAccountId": _ACCOUNT,
        "cloudAccountRoleId": role.role_id,
        "cloudAccountRoleName": role.name,
        "cloudAccountRoleExternalId": role.external_id,
        "cloudAccountVendorType": "alibaba_cloud",
    }
