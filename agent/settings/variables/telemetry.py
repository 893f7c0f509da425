"""The variables of log lines, metrics and traces."""

import logging
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BeforeValidator, Field

from agent.settings.values import VariableGroup, Word
from agent.settings.variables.server import ServerVariables
from identity.observation.request_context import UserLabel


class LogLevel(StrEnum):
    """The lowest level of lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def number(self) -> int:
        """The level of the standard library."""
        return logging.getLevelNamesMapping()[self.value.upper()]


class LogFormat(StrEnum):
    """The form of a line."""

    JSON = "json"
    TEXT = "text"


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
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = Field(
        None,
        description="The port of `GET /metrics` for Prometheus, without authentication"
        " (`docs/observability.md`). Without it, no port is opened.",
    )
    metrics_host: Word = Field(
        "127.0.0.1", description="The address of `METRICS_PORT`. In a container: `0.0.0.0`."
    )
    telemetry_user: UserLabel = Field(
        UserLabel.HASH,
        description="How log lines and spans name the caller: `hash` (`docs/observability.md`), `id`, the"
        " `sub` of their access token, or `none`.",
    )


def telemetry_faults(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that must differ, by the given variables in lower case."""
    agent_port = given.get("agent_port", str(ServerVariables.model_fields["agent_port"].default))
    if given.get("metrics_port") == agent_port != "0":
        return [
            f"METRICS_PORT must not be the agent's own port, {agent_port}: metrics are not for its clients"
        ]
    return []
