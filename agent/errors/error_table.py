"""The error table: the codes of all layers, with the names of the settings to check.

`doctor`, the log and docs/errors.md show it. Only the agent knows the names of its settings: the
rows of the other layers have a place for them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from agent.errors.error_codes import AgentCode
from graph.error_codes import GraphCode
from identity.error_codes import IdentityCode
from identity.errors import AgentError, ErrorCode, ErrorRow
from tools.error_codes import ToolCode

E = TypeVar("E", bound=AgentError)

ERROR_CODES: Final[tuple[ErrorCode, ...]] = (*IdentityCode, *GraphCode, *ToolCode, *AgentCode)
"""Every code, once."""

ENTERPRISE_SETTINGS: Final = ("ENTERPRISE_SERVICE_URL", "ENTERPRISE_SERVICE_SCOPE")
EXTERNAL_SETTINGS: Final = ("EXTERNAL_SERVER_URL", "EXTERNAL_SERVER_API_KEY_IDENTIFIER")

_SETTINGS: Final[Mapping[ErrorCode, tuple[str, ...]]] = {
    IdentityCode.INSUFFICIENT_SCOPE: ("AGENT_SCOPE",),
    IdentityCode.JWKS_UNAVAILABLE: ("JWKS_ENDPOINT",),
    IdentityCode.SDK_CONFIG_UNREADABLE: ("CLOUD_IDAAS_CONFIG_PATH",),
    GraphCode.LLM_API_KEY_UNAVAILABLE: ("LLM_API_KEY_IDENTIFIER",),
    GraphCode.MODEL_CALL_FAILED: ("LLM_BASE_URL", "LLM_MODEL"),
    AgentCode.TOO_MANY_RUNS: ("MAX_CONCURRENT_RUNS",),
    ToolCode.ENTERPRISE_SERVICE_FAILED: ENTERPRISE_SETTINGS,
    ToolCode.EXTERNAL_API_KEY_UNAVAILABLE: EXTERNAL_SETTINGS,
    ToolCode.EXTERNAL_SERVICE_FAILED: EXTERNAL_SETTINGS,
}
"""The settings that the remedy of a code names. An error that has settings of its own names these instead: of
the service that it is about, or of the plug-in that raises it."""


def row_of(code: ErrorCode) -> ErrorRow:
    """The row of `code` with the names of its settings."""
    return code.row.naming(_SETTINGS.get(code, ()))


ERROR_TABLE: Final[Mapping[str, ErrorRow]] = MappingProxyType({code: row_of(code) for code in ERROR_CODES})
"""Code → row. A code is equal to its text, so `ERROR_TABLE["rate_limited"]` is a row."""


def for_operators(error: E) -> E:
    """A copy of `error` whose `row` names the settings to check, where its code is about the agent's own."""
    return error.naming(_SETTINGS.get(error.code, ()))
