"""ECS's metadata service: tokens, the machine's document, and what it refuses."""

import base64
import json
import subprocess
from pathlib import Path

import httpx
import pytest

from sandbox.faults.faults import Fault

TOKEN, TTL = "X-aliyun-ecs-metadata-token", "X-aliyun-ecs-metadata-token-ttl-seconds"
PKCS7 = "/latest/dynamic/instance-identity/pkcs7"


@pytest.fixture
def metadata(sandbox):
    with httpx.Client(base_url=sandbox.cloud.addresses.ecs_metadata) as client:
        yield client


@pytest.fixture
def token(metadata) -> str:
    return metadata.put("/latest/api/token", headers={TTL: "60"}).text


def test_document_has_the_audience_that_was_requested_and_openssl_verifies_it(
    sandbox, metadata, token, tmp_path: Path
) -> None:
    audience = '{"aud": "idaas_sandbox01", "signingTime": 1795602560}'
    response = metadata.get(PKCS7, params={"audience": audience}, headers={TOKEN: token})
    (tmp_path / "document").write_bytes(base64.b64decode(response.text))
    (tmp_path / "root").write_text(sandbox.cloud.federation.keys.document_root)
    command = "openssl smime -verify -inform DER -in document -CAfile root -purpose any -binary"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=True)  # noqa: S603  # fixed
    document = json.loads(done.stdout)
    assert document["audience"] == audience
    assert document["instance-id"] == "i-sandbox01"


def test_document_without_an_audience_has_no_such_member(metadata, token) -> None:
    document = metadata.get("/latest/dynamic/instance-identity/document", headers={TOKEN: token}).json()
    assert document["instance-id"] == "i-sandbox01"
    assert "audience" not in document


def test_request_without_a_token_is_refused_in_hardened_mode_only(sandbox, metadata) -> None:
    assert metadata.get(PKCS7).status_code == 403
    sandbox.cloud.settings.ecs_token_required = False
    assert metadata.get(PKCS7).status_code == 200
    assert metadata.get(PKCS7, headers={TOKEN: "wrong"}).status_code == 403


def test_token_ends_with_its_lifetime(sandbox, metadata, token) -> None:
    assert metadata.get(PKCS7, headers={TOKEN: token}).status_code == 200
    sandbox.clock.advance(60)
    assert metadata.get(PKCS7, headers={TOKEN: token}).status_code == 403


@pytest.mark.parametrize("seconds", ["", "0", "21601", "-1", "soon"])
def test_token_needs_a_lifetime_up_to_six_hours(metadata, seconds) -> None:
    assert metadata.put("/latest/api/token", headers={TTL: seconds}).status_code == 400


def test_forwarded_request_gets_no_token(metadata) -> None:
    headers = {TTL: "60", "X-Forwarded-For": "203.0.113.7"}
    assert metadata.put("/latest/api/token", headers=headers).status_code == 403


def test_web_page_and_foreign_host_are_refused_and_the_real_address_is_a_host(metadata, token) -> None:
    headers = {TOKEN: token}
    assert metadata.get(PKCS7, headers=headers | {"Origin": "https://evil.example"}).status_code == 403
    assert metadata.get(PKCS7, headers=headers | {"Host": "evil.example"}).status_code == 403
    assert metadata.get(PKCS7, headers=headers | {"Host": "100.100.100.200"}).status_code == 200


def test_facts_about_the_machine_are_plain_text(metadata, token) -> None:
    assert metadata.get("/latest/meta-data/region-id", headers={TOKEN: token}).text == "cn-hangzhou"
    assert metadata.get("/latest/meta-data/user-data", headers={TOKEN: token}).status_code == 404


def test_metadata_service_fails_as_its_fault_says_but_has_no_port_of_its_own(sandbox, metadata) -> None:
    sandbox.cloud.faults.set("ecs_metadata", Fault(status=503, times=1))
    assert metadata.put("/latest/api/token", headers={TTL: "60"}).status_code == 503
    assert metadata.put("/latest/api/token", headers={TTL: "60"}).status_code == 200
    with pytest.raises(ValueError, match="no port of its own"):
        sandbox.cloud.faults.set("ecs_metadata", Fault(refuse=True))
