"""Functions of the identity layer in this process: verification, refusal, sealing."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from benchmarks.bench import Bench
from benchmarks.issuer import AUDIENCE, ISSUER, Issuer
from benchmarks.micro import RowCases, Timed, micro, timed, timed_async
from benchmarks.report import Figure, Series, at_most, interleave
from identity.access_token.jws import parse_compact_jws
from identity.access_token.sealed_caller import CallerSeal, SealingKeys
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.security.callers.forge import Forge

_TOKENS: Final = Path(__file__).resolve().parents[2] / "tests" / "security" / "callers" / "tokens"
_ATTEMPTS: Final = 20
_GIVEN = "0" * 64


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


def verification(bench: Bench) -> Sequence[Figure]:
    """Verification of a caller's access token, the first time and from the cache.

    The reference of a first verification is its signature check alone.
    """
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


def refusal(bench: Bench) -> Sequence[Figure]:
    """The cost of refusing the slowest token of `tests/security/callers/tokens/`, beside that of a good one.

    Nothing is cached between attempts. The fastest of several attempts counts for each token.
    """
    issuer = Issuer()
    forge = Forge(
        issuer=ISSUER,
        audience=AUDIENCE,
        kid=issuer.key.kid or "",
        now=int(time.time()),
        key=issuer.private_key,
        own_key=rsa.generate_private_key(65537, 2048),
        own_ec_key=ec.generate_private_key(ec.SECP256R1()),
    )
    bad = [Secret(forge.token(recipe)) for recipe in _recipes()]
    good = Secret(forge.token({}))
    verifier = issuer.verifier(cache_size=0)
    asyncio.run(verifier.verify(good))  # raises if the good token is refused

    async def seconds(token: Secret) -> float:
        best = float("inf")
        for _ in range(2 if bench.plan.quick else _ATTEMPTS):
            began = time.perf_counter()
            with contextlib.suppress(AccessTokenError):
                await verifier.verify(token)
            best = min(best, time.perf_counter() - began)
        return best * 1e6

    async def slowest() -> float:
        return max([await seconds(token) for token in bad])

    times = interleave(
        min(bench.plan.rounds, 4),
        {"bad": lambda: asyncio.run(slowest()), "good": lambda: asyncio.run(seconds(good))},
    )
    return [
        Figure(
            f"the slowest of {len(bad)} refusals",
            "µs",
            Series(tuple(times["bad"])),
            "verifying a good token",
            Series(tuple(times["good"])),
            at_most(3.0),
        )
    ]


def _recipes() -> list[dict[str, Any]]:
    files = sorted(_TOKENS.glob("*.json"))
    return [recipe for file in files for recipe in json.loads(file.read_text(encoding="utf-8"))]


class _AnyRun:
    async def claim(self, envelope_id: str, run_id: str, until: float) -> bool:  # noqa: ARG002 - the protocol's
        return True


def _seal_and_caller() -> tuple[CallerSeal, VerifiedAccessToken]:
    issuer = Issuer()
    caller = asyncio.run(issuer.verifier().verify(Secret(issuer.access_token())))
    keys = SealingKeys.of(base64.b64encode(bytes(32)).decode())
    return CallerSeal(keys, audience="agent", claims=_AnyRun()), caller


def _sealing() -> Timed:
    seal, caller = _seal_and_caller()
    return timed(lambda: seal.seal(caller, "thread", _GIVEN))


def _opening() -> Timed:
    seal, caller = _seal_and_caller()
    envelope = seal.seal(caller, "thread", _GIVEN)
    return timed_async(lambda: seal.open(envelope, caller.principal, "thread", _GIVEN, "run"))


def sealing(bench: Bench) -> Sequence[Figure]:
    """The sealed caller of a run that another process executes: sealing and opening.

    The claim of the envelope, one command of Redis, is not included.
    """
    times = micro("sealing", bench.plan)
    return [
        Figure("a caller sealed", "µs", times["seal"], target=at_most(50.0)),
        Figure("a caller opened", "µs", times["open"], target=at_most(50.0)),
    ]


CASES: RowCases = {
    "verification": {"first time": _first_time, "raw RSA": _raw_rsa, "repeated": _repeated},
    "sealing": {"seal": _sealing, "open": _opening},
}
