"""The OpenAPI action GenerateOauthToken: every refusal, with the vendor's codes."""

from dataclasses import replace

import pytest

from sandbox.faults.faults import Fault
from sandbox.ram import Policy
from sandbox.state.directory import AGENT
from tests.sandbox.conftest import ACCESS_TOKEN, EXCHANGE
from tests.sandbox.openapi.openapi_client import TOKEN_PARAMETERS, OpenApiClient


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


@pytest.fixture
def exchange_parameters(sandbox) -> dict[str, str]:
    return {
        "GrantType": EXCHANGE,
        "SubjectToken": sandbox.access_token(),
        "SubjectTokenType": ACCESS_TOKEN,
        "RequestedTokenType": ACCESS_TOKEN,
    }


def test_form_is_ignored_when_switched_off(sandbox, openapi, exchange_parameters, code) -> None:
    sandbox.cloud.settings.openapi_form_parameters = False
    body = openapi.call(form=exchange_parameters).json()["TokenResponse"]
    assert sandbox.cloud.access_tokens.verify(body["AccessToken"]).subject == AGENT
    assert code(openapi.call({}, form=TOKEN_PARAMETERS)) == (400, "MissingInstanceId")


def test_wrong_key_and_changed_parameters_do_not_match_the_signature(openapi, code) -> None:
    signed = openapi.call().request.headers["authorization"]
    assert code(openapi.call(authorization=signed)) == (400, "SignatureDoesNotMatch")
    openapi.credential = replace(openapi.credential, access_key_secret="wrong")
    assert code(openapi.call()) == (400, "SignatureDoesNotMatch")


@pytest.mark.parametrize("name", ["host", "x-acs-action", "x-acs-security-token"])
def test_header_that_must_be_signed_is_required(openapi, code, name) -> None:
    assert code(openapi.call(unsigned=frozenset({name}))) == (400, "IncompleteSignature")


@pytest.mark.parametrize(("seconds", "expected"), [(900, 200), (901, 400), (-900, 200), (-901, 400)])
def test_clock_may_differ_by_fifteen_minutes(sandbox, openapi, seconds, expected) -> None:
    sandbox.clock.advance(seconds)
    response = openapi.call()
    assert response.status_code == expected
    assert ("InvalidTimeStamp.Expired" in response.text) == (expected == 400)


def test_nonce_is_used_once_and_the_access_key_must_be_known(openapi, code) -> None:
    nonce = {"x-acs-signature-nonce": "again"}
    assert openapi.call(headers=nonce).status_code == 200
    assert code(openapi.call(headers=nonce)) == (400, "SignatureNonceUsed")
    openapi.credential = replace(openapi.credential, access_key_id="STS.unknown")
    assert code(openapi.call()) == (404, "InvalidAccessKeyId.NotFound")


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("x-acs-content-sha256", "0" * 64, (400, "SignatureDoesNotMatch")),
        ("x-acs-date", "today", (400, "InvalidTimeStamp.Format")),
        ("x-acs-signature-nonce", None, (400, "MissingSignatureNonce")),
        ("x-acs-security-token", None, (400, "MissingSecurityToken")),
        ("x-acs-security-token", "other", (400, "InvalidSecurityToken.MismatchWithAccessKey")),
        ("x-acs-action", "DeleteInstance", (404, "InvalidAction.NotFound")),
    ],
)
def test_missing_or_wrong_header_is_refused(openapi, code, header, value, expected) -> None:
    assert code(openapi.call(headers={header: value})) == expected


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


def test_other_instance_and_application_are_not_allowed_and_not_found(sandbox, openapi, code) -> None:
    assert code(openapi.call(TOKEN_PARAMETERS | {"ApplicationId": "app_x"})) == (403, "NoPermission")
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    sandbox.cloud.execution_role.policy = Policy.model_validate(everything)
    unknown = code(openapi.call(TOKEN_PARAMETERS | {"ApplicationId": "app_x"}))
    assert unknown == (404, "ResourceNotFound.Application")
    unknown = code(openapi.call(TOKEN_PARAMETERS | {"InstanceId": "idaas_x"}))
    assert unknown == (404, "ResourceNotFound.Instance")


@pytest.mark.parametrize("name", ["InstanceId", "ApplicationId", "Audience", "ScopeValues.1"])
def test_required_parameter_is_named_when_it_is_missing(openapi, code, name) -> None:
    parameters = {key: value for key, value in TOKEN_PARAMETERS.items() if key != name}
    assert code(openapi.call(parameters)) == (400, f"Missing{name}")


def test_wrong_parameters_and_a_disabled_application_are_refused(
    sandbox, openapi, exchange_parameters, code
) -> None:
    expired = exchange_parameters | {"SubjectToken": sandbox.access_token(lifetime=-1)}
    for wrong, named in (
        ({"ScopeValues.1": "payroll.read"}, "ScopeValues"),
        ({"GrantType": "password"}, "GrantType"),
        (exchange_parameters | {"SubjectToken": "x"}, "SubjectToken"),
        (expired, "SubjectToken.Expired"),
    ):
        assert code(openapi.call(TOKEN_PARAMETERS | wrong)) == (400, f"InvalidParameter.{named}")
    sandbox.cloud.directory.disabled.add(AGENT)
    assert code(openapi.call()) == (403, "OperationDenied.ApplicationDisabled")


def test_fault_of_openapi_has_its_codes_and_leaves_sts_alone(sandbox, client, openapi, code) -> None:
    sts = f"https://{sandbox.cloud.addresses.openapi}/?Action=AssumeRoleWithOIDC&Version=2015-04-01"
    for status, expected in ((429, "Throttling.User"), (503, "ServiceUnavailable")):
        sandbox.cloud.faults.set("openapi", Fault(status=status))
        response = openapi.call()
        assert (response.status_code, response.json()["Code"]) == (status, expected)
        assert code(client.post(sts)) == (400, "MissingRoleArn")
    sandbox.cloud.faults.clear()
    sandbox.cloud.faults.set("sts", Fault(status=503))
    assert openapi.call().status_code == 200
    assert client.post(sts).status_code == 503
