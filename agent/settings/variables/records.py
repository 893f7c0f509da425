"""The variables of the audit log and of traces."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, InstanceOf

from agent.settings.syslog_address import SyslogAddress
from agent.settings.values import TRUE, VariableGroup, checked_by, holds, lower_case, parsed_by
from identity.secrets.secret import Secret
from identity.secrets.secret_file import parse_secret_lines


class Tracing(StrEnum):
    """The receiver of traces."""

    OFF = "off"
    LANGSMITH = "langsmith"


STANDARD_OUTPUT: Final = Path("-")
"""The value of `AUDIT_LOG_FILE` that means standard output."""
_KEY_CHARACTERS: Final = 32
_MOST_KEYS: Final = 2


def _file_to_write(value: Path) -> Path:
    if value == STANDARD_OUTPUT:
        return value
    if holds(value.is_dir) or not holds(value.parent.is_dir):
        raise ValueError("must name a file in a folder that exists, or - for standard output")
    return value


def keys_in_file(path: str | Path) -> tuple[Secret, ...]:
    """The keys of a file, one or two, on a line each. Raises `ValueError`, without a key."""
    try:
        keys = parse_secret_lines(Path(path).read_text("utf-8"))
    except (OSError, ValueError):
        keys = ()
    if not 1 <= len(keys) <= _MOST_KEYS or any(len(key) < _KEY_CHARACTERS for key in keys):
        fault = (
            f"must name a readable file with one key, or two on two lines, of {_KEY_CHARACTERS} or more ASCII"
            " characters without spaces"
        )
        raise ValueError(fault)
    return tuple(map(Secret, keys))


class RecordVariables(VariableGroup):
    """What is recorded of the agent's work."""

    heading = "Audit log and traces"

    audit_log_file: Annotated[Path, AfterValidator(_file_to_write)] | None = None
    """The file of the audit log (`docs/audit-log.md`), or `-`: standard output. Without it: only the
    logger."""
    audit_syslog_url: Annotated[str, checked_by(SyslogAddress.parse)] | None = None
    """A syslog server that receives the audit log too: `udp://host:514`, `tcp://host:601`, `tls://host:6514`
    or `unix:///dev/log`."""
    audit_format: Annotated[Literal["agent", "ocsf"], lower_case] = "agent"
    """`ocsf`: the lines are events of OCSF 1.8.0, with the agent's own members in `unmapped`."""
    audit_required: bool = False
    """Whether a request is refused if its audit record cannot be written. With `AUDIT_LOG_FILE`."""
    audit_key_file: Annotated[tuple[InstanceOf[Secret], ...], parsed_by(keys_in_file)] | None = None
    """A file with a key of 32 or more characters, such as `openssl rand -hex 32` prints. It signs the lines
    of the audit log, and makes `token_hash` equal in all processes and after restarts. With a second line,
    the former key, `idaas-agent audit verify` accepts the lines of both."""
    agent_tracing: Tracing = Tracing.OFF
    """`langsmith` sends every run, with its messages and tool results, to LangSmith, as set by
    `LANGSMITH_API_KEY` and its other variables. `off` sends nothing, also with `LANGSMITH_TRACING=true`."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        if "audit_log_file" not in given and given.get("audit_required", "").lower() in TRUE:
            yield "AUDIT_LOG_FILE must be set if AUDIT_REQUIRED is true"
