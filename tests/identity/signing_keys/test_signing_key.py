"""Which published keys are used for verifying signatures."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm

from identity.signing_keys.signing_key import signing_key


def test_only_keys_usable_for_verifying_are_read(rsa_key: Any, ec_key: Any, jwk_of: Any) -> None:
    good = jwk_of(rsa_key, kid="one")
    assert signing_key(good) is not None
    assert signing_key({**good, "alg": "RS256"}) is not None
    assert signing_key({name: good[name] for name in ("kty", "n", "e")}) is not None
    assert signing_key(jwk_of(ec_key, kid="two", alg="ES256")) is not None
    small = jwk_of(rsa.generate_private_key(65537, 1024))  # noqa: S505 - too small is the point
    p384 = jwk_of(ec.generate_private_key(ec.SECP384R1()))
    private = {**RSAAlgorithm.to_jwk(rsa_key, as_dict=True), "key_ops": ["verify"]}
    for unfit in [
        small,
        p384,
        private,
        {**good, "use": "enc"},
        {**good, "key_ops": ["sign"]},
        {**good, "key_ops": "verify"},
        {**good, "alg": "RS512"},
        {**good, "alg": "PS256"},
        {**good, "alg": "ES256"},
        {**good, "kid": 7},
        {**good, "kid": ""},
        {**good, "e": "Ag"},
        {**good, "e": "AQ"},
        {**good, "n": good["n"] + "="},
        {**good, "n": 7},
        {**jwk_of(ec_key), "x": "AAAA"},
        {**jwk_of(ec_key), "alg": "RS256"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {},
        None,
        "key",
    ]:
        assert signing_key(unfit) is None, unfit
