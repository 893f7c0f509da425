"""The search for tokens and credentials in all that outlasts a run: database, Redis, logs, audit logs."""

import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sandbox.server.server import RunningSandbox
from tests.databases.postgres_process import PostgresProcess, programs
from tests.security.secrecy.canaries import leaks, secrets_of

_BYTES: Final = re.compile(r"\\\\x([0-9a-f]+)")

_ENCODED: Final = 40
"""How many tokens are searched for in each encoding, at most."""


def found_leaks(
    sandbox: RunningSandbox,
    tokens: Sequence[str],
    secrets: Mapping[str, str],
    places: Iterable[tuple[str, str]],
    known: str,
) -> list[str]:
    """Where a credential of `sandbox`, a token or one of `secrets` is stored; empty if nowhere.

    Any signed token is found, and some of `tokens` in each encoding: the search takes its time for each.
    `places` are texts with their names. `known` is text that people have sent: if it is in none of them,
    they are not what was stored.
    """
    canaries = secrets_of(sandbox, *tokens[:: len(tokens) // _ENCODED + 1])
    for name, secret in secrets.items():
        canaries.add(name, secret)
    texts = list(places)
    found = [f"{place} contains {name}" for place, names in leaks(canaries, texts) for name in names]
    if not any(known in text for _, text in texts):
        found.append("nothing was searched: no place contains what people asked")
    return found


def dumped(postgres: PostgresProcess) -> str:
    """The whole database as `pg_dump` writes it, with bytes as text."""
    dump = subprocess.run(  # noqa: S603 - fixed arguments
        [str(programs() / "pg_dump"), "--dbname", postgres.url], capture_output=True, text=True, check=True
    ).stdout
    return _BYTES.sub(lambda match: bytes.fromhex(match[1]).decode("utf-8", "replace"), dump)
