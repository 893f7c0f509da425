"""What it costs to refuse a bad token: the dearest of all in `tests/security/tokens/`, beside a good one."""

import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks.bench import Bench
from benchmarks.issuer import AUDIENCE, ISSUER, Issuer
from benchmarks.measurement import Figure, Series, at_most, in_turns
from identity.errors import AccessTokenError
from identity.secret import Secret
from tests.security.forge import Forge

_TOKENS: Final = Path(__file__).resolve().parents[2] / "tests" / "security" / "tokens"
_TIMES: Final = 20


def measure(bench: Bench) -> Sequence[Figure]:
    """Each token is new to the verifier each time; of a token the best of some tries counts."""
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
    verifier = issuer.verifier(remembered=0)
    asyncio.run(verifier.verify(good))  # it is good, or the whole row is void

    async def seconds(token: Secret) -> float:
        best = float("inf")
        for _ in range(2 if bench.plan.quick else _TIMES):
            began = time.perf_counter()
            with contextlib.suppress(AccessTokenError):
                await verifier.verify(token)
            best = min(best, time.perf_counter() - began)
        return best * 1e6

    async def dearest() -> float:
        return max([await seconds(token) for token in bad])

    took = in_turns(
        min(bench.plan.rounds, 4),
        {"bad": lambda: asyncio.run(dearest()), "good": lambda: asyncio.run(seconds(good))},
    )
    return [
        Figure(
            f"the dearest of {len(bad)} refusals",
            "µs",
            Series(tuple(took["bad"])),
            "verifying a good token",
            Series(tuple(took["good"])),
            at_most(3.0),
        )
    ]


def _recipes() -> list[dict[str, Any]]:
    files = sorted(_TOKENS.glob("*.json"))
    return [recipe for file in files for recipe in json.loads(file.read_text(encoding="utf-8"))]
