"""The variables of limits: of requests, of runs, and of time."""

from pydantic import Field

from agent.settings.values import Seconds, VariableGroup


class LimitVariables(VariableGroup):
    """How much the agent accepts and works on, and how long."""

    max_body_bytes: int = Field(1_048_576, gt=0, description="The largest request body. Beyond it: 413.")
    max_header_bytes: int = Field(
        32_768, ge=4096, le=65_536, description="The largest request line and headers. Beyond them: 431."
    )
    max_messages: int = Field(200, gt=0, description="The longest conversation that a request may carry.")
    max_requests_per_minute: int = Field(
        120,
        ge=0,
        description="How many requests of one user are admitted in a minute. Each input of a batch counts as"
        " one; requests that are refused before their body is read do not count. Beyond them: 429."
        " `0`: no limit.",
    )
    max_concurrent_runs: int = Field(
        10,
        ge=0,
        description="How many runs one user may have at once: in each process, and with `REDIS_URL` over all"
        " processes. Beyond them: 429. `0`: no limit.",
    )
    max_runs: int = Field(
        1000,
        ge=0,
        description="How many runs each process works on at once. Beyond them: 503. `0`: no limit.",
    )
    max_tool_rounds: int = Field(
        8, ge=0, le=64, description="How often in one run the model may request tool calls."
    )
    run_timeout_seconds: Seconds = Field(180, description="The time limit of one run.")
    model_timeout_seconds: Seconds = Field(90, description="The time limit of one call of the model.")
    tool_timeout_seconds: Seconds = Field(30, description="The time limit of one call of a tool.")
