"""Verification of a caller's access token, the first time and from the cache."""

from collections.abc import Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks.bench import Bench
from benchmarks.in_process.issuer import Issuer
from benchmarks.in_process.micro import Cases, Timed, micro, timed, timed_async
from benchmarks.report.measurement import Figure, at_most
from identity.access_token.jws import parse_compact_jws
from identity.secrets.secret import Secret


def _first_time() -> Timed:
    issuer = Issuer()
    verifier, token = issuer.verifier(cache_size=0), Secret(issuer.access_token())
    return timed_async(lambda: verifier.verify(token))


def _repeated() -> Timed:
    issuer = Issuer()
    verifier, token = issuer.verifier(), Secret(issuer.access_token())
    return timed_async(lambda: verifier.verify(token))


def _raw_rsa() -> Timed:
    issuer = Issuer()
    jws = parse_compact_jws(issuer.access_token())
    key = issuer.key.public_key
    assert isinstance(key, rsa.RSAPublicKey)
    pkcs1, sha256 = padding.PKCS1v15(), hashes.SHA256()
    return timed(lambda: key.verify(jws.signature, jws.signing_input, pkcs1, sha256))


CASES: Cases = {"first time": _first_time, "raw RSA": _raw_rsa, "repeated": _repeated}


def measure(bench: Bench) -> Sequence[Figure]:
    """The reference of a first verification is its signature check alone."""
    times = micro("verification", bench.plan)
    return [
        Figure(
            "first verification of a token",
            "µs",
            times["first time"],
            "RSA verification by OpenSSL",
            times["raw RSA"],
            at_most(3.0),
        ),
        Figure("verification from the cache", "µs", times["repeated"], target=at_most(5.0)),
    ]
