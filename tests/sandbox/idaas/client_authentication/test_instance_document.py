"""PKCS7 at the token endpoint: which instance identity documents IDaaS accepts."""

import base64
import datetime as dt
import json

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from sandbox.certificates import issue
from sandbox.federation.keys import certified_key

TYPE = "urn:cloud:idaas:params:oauth:client-assertion-type:pkcs7-bearer"


def form(document: str, name: str = "sandbox-ecs") -> dict[str, str | None]:
    return {
        "client_secret": None,
        "application_federated_credential_name": name,
        "client_assertion_type": TYPE,
        "client_assertion": document,
    }


@pytest.fixture
def document(sandbox):
    """A document of the metadata service; keywords override members of the audience."""

    def make(**members) -> str:
        audience = {"aud": "idaas_sandbox01", "signingTime": int(sandbox.clock.now)} | members
        return sandbox.cloud.federation.document(json.dumps(audience))

    return make


def test_document_for_another_instance_of_idaas_is_refused(document, machine, reason) -> None:
    assert reason(machine(**form(document(aud="idaas_other")))) == "audience"


def test_document_is_refused_when_it_is_older_than_the_configured_age(
    sandbox, document, machine, reason
) -> None:
    old = document()
    sandbox.clock.advance(1199)
    assert machine(**form(old)).status_code == 200
    sandbox.clock.advance(1)
    assert reason(machine(**form(old))) == "expired"
    assert sandbox.cloud.counters.snapshot()["idaas:expired_credential"] == 1


def test_signer_without_authority_cannot_certify_another_signer(sandbox, machine, reason) -> None:
    """The certificate of a signer is no certificate of an authority."""
    keys, now = sandbox.cloud.federation.keys, dt.datetime.fromtimestamp(sandbox.clock.now, dt.UTC)
    real = certified_key(keys.document_certificate, keys.document_key)
    forged = issue("forged", real, now)
    content = {"instance-id": "i-sandbox01"}
    content["audience"] = json.dumps({"aud": "idaas_sandbox01", "signingTime": sandbox.clock.now})
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes]
    document = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(json.dumps(content).encode())
        .add_signer(forged.certificate, forged.key, hashes.SHA256())
        .add_certificate(real.certificate)
        .sign(serialization.Encoding.DER, options)
    )
    assert reason(machine(**form(base64.b64encode(document).decode()))) == "chain"


def test_document_whose_content_was_changed_is_refused(document, machine, reason) -> None:
    der = base64.b64decode(document())
    changed = der.replace(b"i-sandbox01", b"i-sandbox02")
    assert reason(machine(**form(base64.b64encode(changed).decode()))) == "signature"
