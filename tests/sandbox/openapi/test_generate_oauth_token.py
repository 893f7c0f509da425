"""The OpenAPI action GenerateOauthToken: every refusal, with the vendor's codes."""

from dataclasses import replace

import pytest

from sandbox.ram import Policy
from tests.sandbox.openapi.openapi_client import OpenApiClient


@pytest.fixture
def openapi(sandbox, client) -> OpenApiClient:
    credential = sandbox.cloud.execution_role.issue(3600)
    return OpenApiClient(client, sandbox.cloud.addresses.openapi, credential, sandbox.clock.now)


@pytest.fixture
def code():
    """Status and code of an error body, whose shape is checked."""

    def read(response) -> tuple[int, str]:
        body = response.json()
        assert {"RequestId", "HostId", "Code", "Message", "Recommend"} <= set(body)
        return response.status_code, body["Code"]

    return read


def test_wrong_key_and_changed_parameters_do_not_match_the_signature(openapi, code) -> None:
    signed = openapi.call().request.headers["authorization"]
    assert code(openapi.call(authorization=signed)) == (400, "SignatureDoesNotMatch")
    openapi.credential = replace(openapi.credential, access_key_secret="wrong")
    assert code(openapi.call()) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["host", "x-acs-action", "x-acs-security-token"])
def test_header_that_must_be_signed_is_required(openapi, code, name) -> None:
    assert code(openapi.call(unsigned=frozenset({name}))) == (400, "IncompleteSignature")


def test_nonce_is_used_once_and_the_access_key_must_be_known(openapi, code) -> None:
    nonce = {"x-acs-signature-nonce": "again"}
    assert openapi.call(headers=nonce).status_code == 200
    assert code(openapi.call(headers=nonce)) == (400, "SignatureNonceUsed")
    openapi.credential = replace(openapi.credential, access_key_id="STS.unknown")
    assert code(openapi.call()) == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "ImplicitDeny"),
        ([("Allow", "eiam:Get*", "*")], "ImplicitDeny"),
        ([("Allow", "*", "acs:eiam:*:*:instance/idaas_sandbox01/application/app_other")], "ImplicitDeny"),
        ([("Allow", "*", "*"), ("Deny", "eiam:GenerateOauthToken", "*")], "ExplicitDeny"),
    ],
)
def test_policy_of_the_role_decides(sandbox, openapi, code, statements, expected) -> None:
    document = [{"Effect": e, "Action": a, "Resource": r} for e, a, r in statements]
    sandbox.cloud.execution_role.policy = Policy.model_validate({"Version": "1", "Statement": document})
    response = openapi.call()
    assert code(response) == (403, "NoPermission")
    assert response.json()["AccessDeniedDetail"]["NoPermissionType"] == expected
