"""The search for tokens and credentials in all that outlasts a run: database, Redis, logs, audit logs."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from typing import Final

import psycopg

from cluster.cluster import Cluster
from tests.databases.postgres_process import PostgresProcess, programs
from tests.security.secrecy.canaries import leaks, secrets_of

_BYTES: Final = re.compile(r"\\\\x([0-9a-f]+)")
_LEFT: Final = {
    "runs are running": "SELECT count(*) FROM idaas_agent.threads WHERE status = 'running'",
    "approvals are open": "SELECT count(*) FROM idaas_agent.approvals WHERE status = 'open'",
}


def found_leaks(cluster: Cluster, tokens: Iterable[str], known: str) -> list[str]:
    """Where a credential, or an access token of anyone, is stored; empty if nowhere.

    `known` is text that people have sent: a database in which it is not found has not been searched.
    """
    canaries = secrets_of(cluster.sandbox, *tokens)
    places = dict(_places(cluster))
    found = [f"{place} contains {name}" for place, names in leaks(canaries, places.items()) for name in names]
    if known not in places["the database"]:
        found.append("the database was not searched: it does not contain what people asked")
    return found


def left_over(postgres: PostgresProcess) -> list[str]:
    """What the database shows as going on, although everybody has their answer."""
    with psycopg.connect(postgres.url) as connection:
        counted = {what: connection.execute(query).fetchone() for what, query in _LEFT.items()}
    return [f"{row[0]} {what} in the database" for what, row in counted.items() if row and row[0]]


def _places(cluster: Cluster) -> Iterator[tuple[str, str]]:
    yield "the database", dumped(cluster.postgres)
    yield "Redis", cluster.redis.contents()
    for replica in cluster.replicas:
        yield f"the log of {replica.name}", replica.log.read_text(errors="replace")
    for log in cluster.audit_logs():
        yield log.name, log.read_text(errors="replace")


def dumped(postgres: PostgresProcess) -> str:
    """The whole database as `pg_dump` writes it, with bytes as text."""
    dump = subprocess.run(  # noqa: S603 - fixed arguments
        [str(programs() / "pg_dump"), "--dbname", postgres.url], capture_output=True, text=True, check=True
    ).stdout
    return _BYTES.sub(lambda match: bytes.fromhex(match[1]).decode("utf-8", "replace"), dump)
