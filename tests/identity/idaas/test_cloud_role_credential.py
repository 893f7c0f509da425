"""Credentials of cloud roles, in responses of the Developer API."""

from typing import Any

import pytest

from identity.credentials.requirement import CloudRoleRequirement
from identity.credentials.signed_request import StsCredential
from identity.idaas.credential_store import store_operation

ROLE = "acs:ram::1000000000000001:role/report-reader"
OPERATION = store_operation(CloudRoleRequirement(ROLE, 900), "alice")


def response(**members: Any) -> dict[str, Any]:
    token = {
        "accessKeyId": "STS.sandbox",
        "accessKeySecret": "x",
        "securityToken": "y",
        "expiration": "2026-11-25T11:04:21Z",
    }
    credential = {"accessCredentialExpiresAt": 1_795_604_661, "alibabaCloudStsToken": token | members}
    return {"cloudAccountRoleExternalId": ROLE, "cloudAccountRoleAccessCredential": credential}


def test_credentials_end_at_the_earlier_of_both_times() -> None:
    issued = OPERATION.read(response(), 1_795_600_000.0)
    assert issued.expires_at == 1_795_604_661.0
    assert StsCredential.unpacked(issued.secret).access_key_id == "STS.sandbox"
    earlier = OPERATION.read(response(expiration="2026-11-25T10:54:21Z"), 1_795_600_000.0)
    assert earlier.expires_at == 1_795_604_061.0
    assert OPERATION.read(response(expiration=None), 1_795_600_000.0).expires_at == 1_795_604_661.0


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "no usable"),
        ({"cloudAccountRoleExternalId": "acs:ram::1:role/other"}, "another role"),
        ({"cloudAccountRoleAccessCredential": {"awsStsToken": {"accessKeyId": "canary"}}}, "no usable"),
        (response(accessKeySecret=""), "no usable"),
        (response(securityToken="canary\n"), "no usable"),
        (response(expiration="2026-11-25T09:00:00Z"), "future"),
    ],
)
def test_response_without_usable_credentials_is_refused(content: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as caught:
        OPERATION.read(content, 1_795_600_000.0)
    assert "canary" not in str(caught.value)
