"""The cost of refusing the slowest token of `tests/security/callers/tokens/`, beside that of a good one."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks.bench import Bench
from benchmarks.in_process.issuer import AUDIENCE, ISSUER, Issuer
from benchmarks.report.measurement import Figure, Series, at_most, interleave
from identity.errors import AccessTokenError
from identity.secrets.secret import Secret
from tests.security.callers.forge import Forge

_TOKENS: Final = Path(__file__).resolve().parents[3] / "tests" / "security" / "callers" / "tokens"
_ATTEMPTS: Final = 20


def measure(bench: Bench) -> Sequence[Figure]:
    """Nothing is cached between attempts. The fastest of several attempts counts for each token."""
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
