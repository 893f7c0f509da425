"""Requests that are signed with the credentials of a cloud role."""

import httpx
import pytest

from identity.credentials.requirement import CloudRoleRequirement, Credential
from identity.credentials.signed_request import SignedRequest, StsCredential
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret

STS = StsCredential("STS.id", Secret("canary-secret"), Secret("canary-token"))
SIGNER = SignedRequest(clock=lambda: 1_795_526_961.0, nonce=lambda: "n1")


def signed(url: str = "https://bucket.example/a%20b?z=2&a=%7E1", **members: object) -> httpx.Request:
    request = httpx.Request("POST", url, headers={"x-acs-action": "PutObject"}, **members)  # type: ignore[arg-type]  # members of several types
    SIGNER.attach(request, STS.packed())
    return request


def test_every_header_of_the_api_is_signed_and_the_key_is_not_sent() -> None:
    request = signed(json={"a": 1})
    headers = {"host": "bucket.example", "content-type": "application/json", "x-acs-action": "PutObject"}
    expected = SIGNER.headers("POST", "/a%20b", "a=~1&z=2", headers, request.content, STS)
    assert (expected["x-acs-date"], expected["x-acs-signature-nonce"]) == ("2026-11-24T13:29:21Z", "n1")
    assert expected.items() <= {**request.headers, "Authorization": request.headers["authorization"]}.items()
    assert "canary-secret" not in str(request.headers.raw)


def test_request_that_is_sent_again_is_signed_again() -> None:
    request = signed()
    first = request.headers["authorization"]
    SignedRequest(clock=lambda: 1_795_526_962.0, nonce=lambda: "n2").attach(request, STS.packed())
    assert request.headers.get_list("x-acs-signature-nonce") == ["n2"]
    assert request.headers["authorization"] != first


def test_repeated_parameter_a_stream_and_another_secret_are_refused_without_a_value() -> None:
    with pytest.raises(ValueError, match="repeat"):
        signed("https://bucket.example/?a=1&a=2")
    with pytest.raises(ValueError, match="streamed"):
        signed(content=httpx.AsyncByteStream())
    with pytest.raises(ValueError, match="no credential") as caught:
        SIGNER.attach(httpx.Request("GET", "https://bucket.example"), Secret("canary"))
    assert "canary" not in str(caught.value)


def test_parts_are_the_secrets_that_are_not_shown() -> None:
    requirement = CloudRoleRequirement("acs:ram::1:role/reader")
    credential = Credential(requirement, AccessIdentity.MACHINE, STS.packed(), 1.0)
    assert credential.secrets == (STS.access_key_secret, STS.security_token)
    assert "canary" not in repr(credential)
    assert StsCredential.unpacked(STS.packed()) == STS


@pytest.mark.parametrize("seconds", [899, 43201])
def test_duration_outside_the_limits_of_idaas_is_refused(seconds: int) -> None:
    with pytest.raises(ValueError, match="900 to 43200"):
        CloudRoleRequirement("acs:ram::1:role/reader", seconds)
