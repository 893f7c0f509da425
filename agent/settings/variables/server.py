"""The variables of the process as a web server."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from agent.settings.values import Seconds, Url, VariableGroup, Word, existing_file


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or value != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("must list exact origins such as http://localhost:9001")
    return value


def _listed(value: object) -> object:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_listed)]


class ServerVariables(VariableGroup):
    """Where the agent listens, which pages may call it, and how it stops."""

    agent_host: Word = Field("127.0.0.1", description="The address to listen on. In a container: `0.0.0.0`.")
    agent_port: Annotated[int, Field(ge=0, le=65535)] = Field(9002, description="The port to listen on.")
    agent_public_url: Url | None = Field(
        None, description="The agent's address for clients. Default: that of each request."
    )
    cors_allowed_origins: Origins = Field(
        ("http://localhost:9001", "http://127.0.0.1:9001"),
        description="Origins of pages that may call the agent, separated by commas. Exact, no `*`.",
    )
    ssl_cert_file: Annotated[Path, AfterValidator(existing_file)] | None = Field(
        None, description="A PEM bundle of the authorities to trust. Default: the public ones."
    )
    replicas: Annotated[int, Field(ge=1, le=10_000)] = Field(
        1,
        description="How many machines or pods serve this agent; the manifest sets it. With more than one,"
        " the agent starts only with what they must share (`docs/replicas.md`): conversations in PostgreSQL,"
        " or `REDIS_URL` and no conversations.",
    )
    shutdown_seconds: Seconds = Field(
        10,
        description="How long responses, and runs of conversations that no client reads, may continue after a"
        " stop signal; then they end with an error, and the runs can be continued."
        " The process ends a few seconds later.",
    )


def replica_faults(given: Mapping[str, str]) -> list[str]:
    """Faults of several replicas that share nothing, by the given variables in lower case."""
    replicas = given.get("replicas", "1")
    if not replicas.isdecimal() or len(replicas) > len("10000") or int(replicas) < 2:
        return []
    url = given.get("conversations_url", "")
    if url == "none" and "redis_url" not in given:
        return [f"REDIS_URL must be set if REPLICAS is {replicas} and CONVERSATIONS_URL is none: {_FORGETS}"]
    if url != "none" and not url.startswith(("postgresql://", "postgres://")):
        return [f"CONVERSATIONS_URL must be a PostgreSQL, or none, if REPLICAS is {replicas}: {_FORGETS}"]
    return []


_FORGETS: Final = "what is stored in a file, such as a revocation, is known to one replica alone"
