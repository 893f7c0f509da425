"""The agent's private key, from a PEM text in an environment variable."""

import base64
import binascii
import re
from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_WHITE_SPACE = r"(?:\\[nr]|\s)"  # also "\n" as two characters, which many ways of setting a variable leave
_PEM = re.compile(
    rf"{_WHITE_SPACE}*-----BEGIN (RSA |EC |)PRIVATE KEY-----(.+)-----END \1PRIVATE KEY-----{_WHITE_SPACE}*",
    re.DOTALL,
)
_CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def read_private_key(pem: str) -> PrivateKey:
    """Reads an unencrypted key in PKCS#8, PKCS#1 or SEC 1 form; line breaks may be missing or escaped.

    Raises `ValueError`, whose text has nothing of the key, unless it is RSA of 2048 bits or more, or on the
    curve P-256, P-384 or P-521.
    """
    found = _PEM.fullmatch(pem)
    if found is None:
        raise ValueError("is not an unencrypted private key in PEM form")
    try:
        der = base64.b64decode(re.sub(_WHITE_SPACE, "", found.group(2)), validate=True)
        key = load_der_private_key(der, password=None)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("is not an unencrypted private key in PEM form") from None
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= 2048:
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVE_ALGORITHMS:
        return key
    raise ValueError("is not RSA of at least 2048 bits, nor on the curve P-256, P-384 or P-521")


def read_private_keys(pem: str) -> tuple[PrivateKey, ...]:
    """Reads one key or several, one after the other. Raises `ValueError` as `read_private_key` does."""
    parts = re.split(r"(?<=PRIVATE KEY-----)\s*(?=-----BEGIN )", pem)
    return tuple(read_private_key(part) for part in parts)


def assertion_algorithm(key: PrivateKey) -> str:
    """The JWS algorithm for client assertions, chosen as the vendor's SDK chooses it."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVE_ALGORITHMS[key.curve.name]
    if key.key_size <= 2048:
        return "RS256"
    return "RS384" if key.key_size <= 3072 else "RS512"
