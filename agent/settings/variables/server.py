"""The variables of the process as a web server."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from identity.settings.values import Seconds, Url, VariableGroup, Word, listed, parsed_by


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if (
        parts.scheme not in ("https", "http")
        or not parts.hostname
        or value != f"{parts.scheme}://{parts.netloc}"
    ):
        raise ValueError("must list exact origins such as http://localhost:9001")
    return value


Origins = Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], parsed_by(listed)]


class ServerVariables(VariableGroup):
    """Where the agent listens, which pages may call it, and how it stops."""

    heading = "The web server"

    agent_host: Word = "127.0.0.1"
    """The address to listen on. In a container: `0.0.0.0`."""
    agent_port: Annotated[int, Field(ge=0, le=65535)] = 9002
    """The port to listen on."""
    agent_public_url: Url | None = None
    """The agent's address for clients. Default: the loopback address of a request, or the one at
    which it arrived."""
    agent_page_url: Url | None = None
    """The page's address, at which users of other clients decide about calls. Default: the first of
    `CORS_ALLOWED_ORIGINS`."""
    surfaces: Annotated[tuple[str, ...], parsed_by(listed)] | None = None
    """The surfaces beside conversations, separated by commas: `a2a`, `ag-ui` (the page needs it),
    `langserve`, `mcp`, `openai`, `responses`, and those of your own packages. Default: all that are
    installed."""
    cors_allowed_origins: Origins = ("http://localhost:9001", "http://127.0.0.1:9001")
    """Origins of pages that may call the agent, separated by commas. Exact, no `*`."""
    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How many machines or pods serve this agent. With more than one, the agent starts only with what they
    must share (`docs/replicas.md`)."""
    shutdown_delay_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 5
    """How long the agent serves new connections after SIGTERM, while `/ready` is 503. Not after Ctrl-C."""
    shutdown_seconds: Seconds = 10
    """How long responses and runs may continue after that; then they end with an error, and runs can be
    continued."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        replicas = given.get("replicas", "1")
        if not replicas.isdecimal() or len(replicas) > len("10000") or int(replicas) < 2:
            return
        url = given.get("conversations_url", "")
        if url == "none" and "redis_url" not in given:
            yield f"REDIS_URL must be set if REPLICAS is {replicas} and CONVERSATIONS_URL is none: {_FORGETS}"
        if url != "none" and not url.startswith(("postgresql://", "postgres://")):
            yield f"CONVERSATIONS_URL must be a PostgreSQL, or none, if REPLICAS is {replicas}: {_FORGETS}"


_FORGETS: Final = "what is stored in a file, such as a revocation, is known to one replica alone"


class LimitVariables(VariableGroup):
    """How much the agent accepts and works on, and how long."""

    heading = "Limits"

    max_body_bytes: int = Field(1_048_576, gt=0)
    """The largest request body. Beyond it: 413."""
    max_header_bytes: int = Field(32_768, ge=4096, le=65_536)
    """The largest request line and headers. Beyond them: 431."""
    max_messages: int = Field(200, gt=0)
    """The longest conversation that a request may carry."""
    max_requests_per_minute: int = Field(120, ge=0)
    """How many requests of one user are admitted in a minute; each input of a batch counts. Beyond them: 429.
    `0`: no limit."""
    max_concurrent_runs: int = Field(10, ge=0)
    """How many runs one user may have at once: in each process, and with `REDIS_URL` over all. Beyond them:
    429. `0`: no limit."""
    max_runs: int = Field(1000, ge=0)
    """How many runs each process works on at once. Beyond them: 503. `0`: no limit."""
    max_tool_rounds: int = Field(8, ge=0, le=64)
    """How often in one run the model may request tool calls."""
    run_timeout_seconds: Seconds = 180
    """The time limit of one run."""
    model_timeout_seconds: Seconds = 90
    """The time limit of one call of the model."""
    tool_timeout_seconds: Seconds = 30
    """The time limit of one call of a tool."""
