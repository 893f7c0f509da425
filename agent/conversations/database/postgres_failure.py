"""Failures of PostgreSQL as errors. Its own texts are not repeated: they may contain addresses and values."""

import re
from typing import Final

from agent.errors.error_codes import AgentCode
from identity.errors import UnavailableError

_REASONS: Final = (
    (r"password|authentication", "it does not accept the user or the password"),
    (r"database .* does not exist", "it has no such database"),
    (r"role .* does not exist", "it does not accept the user or the password"),
    (r"permission denied|no schema has been selected", "the user may not make or use the tables"),
    (r"certificate|SSL|TLS", "it does not speak TLS, or its certificate is not trusted"),
    (r"translate host name|resolve|Name or service", "its name is not known"),
    (r"refused|timeout|timed out|unreachable|No route", "it does not respond"),
    (r"too many|connection slots", "it has no connection left"),
    (r"No space left|disk is full", "its disk is full"),
    (r"starting up|shutting down|recovery|read-only", "it is starting, stopping or a standby"),
)


def failure(error: Exception) -> UnavailableError | None:
    """The error for an exception of psycopg, or of a connection that takes too long; `None` for any other."""
    import psycopg

    if isinstance(error, TimeoutError):
        return unavailable("it does not respond")
    if not isinstance(error, psycopg.Error):
        return None
    if isinstance(error, psycopg.OperationalError | psycopg.ProgrammingError | psycopg.InternalError):
        for pattern, reason in _REASONS:
            if re.search(pattern, str(error)):
                return unavailable(reason)
    return unavailable(f"it failed ({type(error).__name__})")


def unavailable(why: str) -> UnavailableError:
    """The error for a server that cannot be used now."""
    return UnavailableError(AgentCode.CONVERSATIONS_UNAVAILABLE, f"PostgreSQL of CONVERSATIONS_URL: {why}")
