"""ECS's metadata service: the machine's document, and what is refused."""

import base64
import json
import subprocess
from pathlib import Path

import httpx
import pytest

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
    plain = metadata.get("/latest/dynamic/instance-identity/document", headers={TOKEN: token}).json()
    assert plain["instance-id"] == "i-sandbox01"
    assert "audience" not in plain


def test_token_is_required_in_hardened_mode_and_ends_with_its_lifetime(sandbox, metadata, token) -> None:
    assert metadata.get(PKCS7).status_code == 403
    assert metadata.get(PKCS7, headers={TOKEN: token}).status_code == 200
    sandbox.clock.advance(60)
    assert metadata.get(PKCS7, headers={TOKEN: token}).status_code == 403
    sandbox.cloud.settings.ecs_token_required = False
    assert metadata.get(PKCS7).status_code == 200
    assert metadata.get(PKCS7, headers={TOKEN: "wrong"}).status_code == 403
