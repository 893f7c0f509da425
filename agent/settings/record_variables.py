"""The variables of the audit log and of traces."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from agent.settings.values import TRUE, VariableGroup, holds
from agent.tracing import Tracing


def _file_to_write(value: Path) -> Path:
    if holds(value.is_dir) or not holds(value.parent.is_dir):
        raise ValueError("must name a file in a folder that exists")
    return value


class RecordVariables(VariableGroup):
    """What is recorded of the agent's work."""

    audit_log_file: Annotated[Path, AfterValidator(_file_to_write)] | None = Field(
        None,
        description="The file of the audit log (`docs/audit-log.md`). Without it: only the logger.",
    )
    audit_required: bool = Field(
        default=False,
        description="Whether a request is refused if its audit record cannot be written. With"
        " `AUDIT_LOG_FILE`.",
    )
    agent_tracing: Tracing = Field(
        Tracing.OFF,
        description="`langsmith` sends every run, with its messages and tool results, to LangSmith, as set by"
        " `LANGSMITH_API_KEY` and its other variables. `off` sends nothing, also with"
        " `LANGSMITH_TRACING=true`.",
    )


def record_faults(given: Mapping[str, str]) -> list[str]:
    """Faults of variables that must be set together, by the given variables in lower case."""
    if "audit_log_file" not in given and given.get("audit_required", "").lower() in TRUE:
        return ["AUDIT_LOG_FILE must be set if AUDIT_REQUIRED is true"]
    return []
