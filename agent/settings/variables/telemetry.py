"""The variables of log lines, metrics and traces."""

import logging
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from agent.settings.values import VariableGroup, Word, lower_case
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


class TelemetryVariables(VariableGroup):
    """What operators see of the agent."""

    heading = "Logs and metrics"

    log_level: Annotated[LogLevel, lower_case] = LogLevel.INFO
    """The lowest level of log lines: `debug`, `info`, `warning` or `error`. `debug` concerns the agent's own
    lines; those of libraries below `info` are never written."""
    log_format: Annotated[LogFormat, lower_case] | None = None
    """`json`, one object a line, or `text`, for people. Default: `text` if standard error is a terminal, else
    `json`."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """The port of `GET /metrics` for Prometheus, without authentication (`docs/observability.md`). Without
    it, no port is opened."""
    metrics_host: Word = "127.0.0.1"
    """The address of `METRICS_PORT`. In a container: `0.0.0.0`."""
    telemetry_user: UserLabel = UserLabel.HASH
    """How log lines and spans name the caller: `hash` (`docs/observability.md`), `id`, the `sub` of their
    access token, or `none`."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        agent_port = given.get("agent_port", str(ServerVariables.model_fields["agent_port"].default))
        if given.get("metrics_port") == agent_port != "0":
            fault = f"must not be the agent's own port, {agent_port}: metrics are not for its clients"
            yield f"METRICS_PORT {fault}"
