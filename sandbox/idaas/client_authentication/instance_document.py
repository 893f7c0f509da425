"""PKCS7: an instance identity document of ECS, whose audience is this IDaaS instance."""

import json
from typing import Any

from sandbox.addresses import INSTANCE
from sandbox.idaas.client_authentication.certificate_chain import verify_chain
from sandbox.idaas.client_authentication.federated_credential import check_identity, named_credential, refused
from sandbox.idaas.client_authentication.jwt_assertion import CLOCK_SKEW
from sandbox.idaas.client_authentication.signed_data import read_signed_data
from sandbox.oauth_error import required
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Application


def by_instance_document(cloud: Cloud, parameters: dict[str, str]) -> Application:
    """The client whose federated credential allows the document's machine.

    Checked: signature, chain to ECS's root, `aud` and age of the audience, instance id. A document may be
    used again until it is too old.
    """
    client, credential = named_credential(cloud.directory, parameters, "pkcs7")
    signed = read_signed_data(required(parameters, "client_assertion"))
    now = cloud.clock()
    verify_chain(signed.signer, signed.others, cloud.federation.document_roots, now=now)
    document = _object(signed.content, "the document")
    audience = _object(document.get("audience"), "the audience of the document")
    if audience.get("aud") != INSTANCE:
        raise refused("audience", f'"aud" in the audience of the document must be "{INSTANCE}"')
    signed_at = audience.get("signingTime")
    if isinstance(signed_at, bool) or not isinstance(signed_at, int | float):
        raise refused(
            "malformed", '"signingTime" in the audience of the document must be a number of seconds'
        )
    if signed_at > now + CLOCK_SKEW:
        raise refused("clock", "the signing time of the document is in the future")
    if signed_at + cloud.settings.instance_document_lifetime <= now:
        raise refused("expired", "the document is too old")
    check_identity(credential, str(document.get("instance-id")))
    return client


def _object(text: object, what: str) -> dict[str, Any]:
    """The JSON object in `text`; the audience's spacing and order differ from SDK to SDK."""
    try:
        value = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise refused("malformed", f"{what} must be a JSON object")
    return value
