"""The Developer API's `ObtainCloudAccountRoleAccessCredential`."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from identity.credentials.issuer import IssuedCredential
from identity.credentials.requirement import CloudRoleRequirement
from identity.credentials.signed_request import StsCredential
from identity.error_codes import IdentityCode
from identity.idaas.credential_store.store_operation import StoreOperation
from identity.secrets.secret import Secret

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,8192}")


def obtain_cloud_role(requirement: CloudRoleRequirement, _subject: str) -> StoreOperation:
    """The operation that obtains temporary credentials of the role, packed into one secret."""
    return StoreOperation(
        action="ObtainCloudAccountRoleAccessCredential",
        path="cloudAccountRoles/_/actions/obtainAccessCredential",
        about=f'cloud role "{requirement.role}"',
        error_code=IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE,
        read=partial(_read_sts_token, requirement.role),
        query={
            "cloudAccountRoleExternalId": requirement.role,
            "durationSeconds": str(requirement.seconds),
        },
    )


def _read_sts_token(role: str, response: Mapping[str, Any], requested_at: float) -> IssuedCredential:
    """The credentials. `accessCredentialExpiresAt` is in seconds, unlike the other times of this API."""
    if response.get("cloudAccountRoleExternalId", role) != role:
        raise ValueError("the response is for another role")
    credential = _object(response, "cloudAccountRoleAccessCredential")
    token = _object(credential, "alibabaCloudStsToken")
    if not all(_usable(token.get(each)) for each in ("accessKeyId", "accessKeySecret", "securityToken")):
        raise ValueError("the response has no usable credentials for Alibaba Cloud")
    ends = [*_number(credential.get("accessCredentialExpiresAt")), *_time(token.get("expiration"))]
    if not ends or min(ends) <= requested_at:
        raise ValueError("the credentials must end in the future")
    sts = StsCredential(
        token["accessKeyId"], Secret(token["accessKeySecret"]), Secret(token["securityToken"])
    )
    return IssuedCredential(sts.packed(), min(ends))


def _object(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def _usable(value: object) -> bool:
    return isinstance(value, str) and _VISIBLE.fullmatch(value) is not None


def _number(value: object) -> list[float]:
    is_time = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e11
    return [float(value)] if is_time and isinstance(value, int | float) else []


def _time(value: object) -> list[float]:
    try:
        return [datetime.fromisoformat(str(value)).timestamp()]
    except ValueError:
        return []
