"""The sealed caller of a run that another process executes: sealing and opening."""

import asyncio
import base64
from collections.abc import Sequence

from benchmarks.bench import Bench
from benchmarks.in_process.issuer import Issuer
from benchmarks.in_process.micro import Cases, Timed, micro, timed, timed_async
from benchmarks.report.measurement import Figure, at_most
from identity.access_token.sealed_caller import CallerSeal
from identity.access_token.sealing_keys import SealingKeys
from identity.access_token.verified_access_token import VerifiedAccessToken
from identity.secrets.secret import Secret

_GIVEN = "0" * 64


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


CASES: Cases = {"seal": _sealing, "open": _opening}


def measure(bench: Bench) -> Sequence[Figure]:
    """The claim of the envelope, one command of Redis, is not included."""
    times = micro("sealing", bench.plan)
    return [
        Figure("a caller sealed", "µs", times["seal"], target=at_most(50.0)),
        Figure("a caller opened", "µs", times["open"], target=at_most(50.0)),
    ]
