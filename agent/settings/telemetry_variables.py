"""The variables of log lines, metrics and traces."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from agent.settings.values import VariableGroup
from agent.telemetry.logs.log_options import LogFormat, LogLevel
from identity.tracing.user import UserLabel


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class TelemetryVariables(VariableGroup):
    """What operators see of the agent."""

    log_level: Annotated[LogLevel, BeforeValidator(_lower)] = Field(
        LogLevel.INFO,
        description="The lowest level of log lines: `debug`, `info`, `warning` or `error`. `debug` concerns"
        " the agent's own lines; those of libraries below `info` are never written.",
    )
    log_format: Annotated[LogFormat, BeforeValidator(_lower)] | None = Field(
        None,
        description="`json`, one object a line, or `text`, for people. Default: `text` if standard error is a"
        " terminal, else `json`.",
    )
    telemetry_user: UserLabel = Field(
        UserLabel.HASH,
        description="How log lines and spans name the caller: `hash` (`docs/observability.md`), `id`, the"
        " `sub` of their access token, or `none`.",
    )
