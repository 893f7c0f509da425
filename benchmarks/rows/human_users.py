"""Human identity with ten thousand users: memory for each.

`python -m benchmarks.rows.identity.human_users` measures the memory of its own process; `--traced` by
tracemalloc.
"""

import argparse
import asyncio
import base64
import gc
import json
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import httpx
import psutil

from benchmarks.bench import Bench
from benchmarks.issuer import ISSUER, Issuer
from benchmarks.report import Figure, at_most, series
from identity.access_token.verifier import AccessTokenVerifier
from identity.credentials.broker import CredentialBroker
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, CredentialRequirement
from identity.idaas.client import PAM_TOKEN, IDaaSClient
from identity.idaas.client_authentication.own_credential import ClientSecretPost
from identity.idaas.configuration import SdkConfiguration
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from identity.secrets.secret_file import FixedSecret

_NEEDS: Final[tuple[CredentialRequirement, ...]] = (
    ApiKeyRequirement("llm_api_key"),
    ApiKeyRequirement("amap_api_key"),
    AccessTokenRequirement("https://enterprise.benchmark.example|service.invoke"),
)
_CREDENTIALS: Final = 4
"""Credentials of a user, one request each: PAM token, two API keys, enterprise service token."""
_USERS: Final = 10_000
"""The capacity of the verifier and, counted in users, of the broker."""
_TIMEOUT_SECONDS: Final = 30.0

_ROOT: Final = Path(__file__).resolve().parents[2]
_NUMBERS: Final = count()
_SIGNATURE: Final = "x" * 560
"""Padding to about the length of an IDaaS access token."""
_API_KEY: Final = "sk-" + 32 * "0"


def human_users(bench: Bench) -> Sequence[Figure]:
    """Measures memory in separate processes, one of which has the full number of users."""
    users, traced = (40, 20) if bench.plan.quick else (_USERS, _USERS // 10)
    resident, allocated = _memory_of(["--users", str(users)], ["--users", str(traced), "--traced"])
    return [
        Figure(
            f"memory of each of {users:,} users, resident", "B", series(resident[0]), target=at_most(4096)
        ),
        Figure(
            f"memory of each of {traced:,} users, tracemalloc",
            "B",
            series(allocated[0]),
            "their tokens and keys as text",
            series(allocated[2]),
        ),
        Figure("growth for each user past the bound, resident", "B", series(resident[1]), target=at_most(64)),
        Figure("growth for each user past the bound, tracemalloc", "B", series(allocated[1])),
    ]


class _Identity:
    """Verifier and broker as the agent creates them, with capacity for `users`."""

    def __init__(self, issuer: Issuer, client: IDaaSClient, users: int) -> None:
        self._verifier: AccessTokenVerifier = issuer.verifier(cache_size=users)
        self._broker = CredentialBroker(client, capacity=users * _CREDENTIALS)

    async def first_request(self, token: Secret) -> int:
        """Does the identity work of a new caller's first run; returns the length of its tokens and keys."""
        caller = await self._verifier.verify(token)
        needs = (PAM_TOKEN, *_NEEDS)
        obtained = (self._broker.obtain(requirement, AccessIdentity.HUMAN, caller) for requirement in needs)
        credentials = await asyncio.gather(*obtained)
        return len(token.reveal()) + sum(len(credential.secret.reveal()) for credential in credentials)


def _client(origin: str, http: httpx.AsyncClient) -> IDaaSClient:
    configuration = SdkConfiguration(
        instance_id="idaas_benchmark",
        client_id="app_agent",
        issuer=ISSUER,
        token_endpoint=f"{origin}/api/v2/iauths_system/oauth2/token",
        developer_api_endpoint=origin,
        client_authentication=ClientSecretPost("app_agent", FixedSecret(Secret("benchmark"))),
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
    )
    return IDaaSClient(configuration, http)


def _memory_of(*options: list[str]) -> list[tuple[float, float, float]]:
    """Runs `main` with each of `options`, in parallel processes."""
    command = [sys.executable, "-m", __name__]
    processes = [
        subprocess.Popen([*command, *each], cwd=_ROOT, stdout=subprocess.PIPE, text=True) for each in options
    ]
    return [tuple(json.loads(process.communicate()[0])) for process in processes]


def _token(form: bytes) -> str:
    """A JWT of the subject of the form's subject token, or of the agent."""
    subject = "app_agent01"
    if exchanged := parse_qs(form.decode()).get("subject_token"):
        claims = exchanged[0].split(".")[1]
        subject = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    parts = ({"alg": "RS256", "typ": "JWT"}, {"sub": subject, "jti": str(next(_NUMBERS))})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, _SIGNATURE])


def _response_body(path: str, query: str, form: bytes) -> bytes:
    """The body of IDaaS's response: an API key, or a token about as long as those of IDaaS."""
    if path.endswith("/token"):
        now = int(time.time())
        issued = {
            "access_token": _token(form),
            "token_type": "Bearer",
            "expires_in": 3600,
            "expires_at": now + 3600,
        }
        return json.dumps(issued).encode()
    identifier = query.partition("credentialIdentifier=")[2].partition("&")[0]
    content = {"apiKeyContent": {"apiKey": _API_KEY}}
    members = {"credentialIdentifier": identifier, "credentialType": "api_key", "credentialContent": content}
    return json.dumps(members).encode()


async def _memory(used: Callable[[], int], users: int) -> tuple[float, float, float]:
    """Returns bytes a user up to the capacity, beyond it, and of their tokens and keys as text."""

    async def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, content=_response_body(request.url.path, request.url.query.decode(), request.content)
        )

    issuer = Issuer()
    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        identity = _Identity(issuer, _client("http://127.0.0.1", http), users)
        text = 0

        async def measure_users(first: int, last: int) -> float:
            nonlocal text
            before = used()
            for number in range(first, last):
                text = await identity.first_request(Secret(issuer.access_token(f"user_{number}")))
            return (used() - before) / (last - first)

        await measure_users(0, users // 20)  # the first users also create what all share
        below = await measure_users(users // 20, users)
        await measure_users(users, users * 3 // 2)  # full dictionaries are resized once more
        return below, await measure_users(users * 3 // 2, users * 7 // 4), text


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def main() -> None:
    """Prints the result of `_memory` in this process as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=_USERS)
    parser.add_argument("--traced", action="store_true")
    options = parser.parse_args()
    if options.traced:
        tracemalloc.start()
    used = _traced if options.traced else _resident
    print(json.dumps(asyncio.run(_memory(used, options.users))))


if __name__ == "__main__":
    main()
