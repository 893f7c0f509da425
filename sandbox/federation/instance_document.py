"""The signed document about a machine that ECS's metadata service gives out (instance identity, PKCS #7)."""

import base64
import json

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from sandbox.certificates import CertifiedKey

ACCOUNT = "1000000000000001"
REGION = "cn-hangzhou"


def instance_identity(instance_id: str) -> dict[str, str]:
    """What ECS states about the machine."""
    return {
        "zone-id": f"{REGION}-h",
        "serial-number": "4acd2b47-0000-4e6a-8b5a-5a4d0b000001",
        "instance-id": instance_id,
        "region-id": REGION,
        "private-ipv4": "172.16.0.10",
        "owner-account-id": ACCOUNT,
        "mac": "00:16:3e:00:00:01",
        "image-id": "aliyun_3_x64_20G_alibase.vhd",
        "instance-type": "ecs.g7.large",
    }


def signed_document(signer: CertifiedKey, instance_id: str, audience: str | None) -> str:
    """Base64 of a signed-data structure, in lines and without PEM armour; the audience is its last member.

    It has no signed attributes: the only time in it is the one that the caller puts into `audience`.
    """
    content = instance_identity(instance_id)
    if audience is not None:
        content["audience"] = audience
    document = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(json.dumps(content, separators=(",", ":")).encode())
        .add_signer(signer.certificate, signer.key, hashes.SHA256())
        .sign(serialization.Encoding.DER, [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.NoAttributes])
    )
    return base64.encodebytes(document).decode()
