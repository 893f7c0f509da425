"""Whether the project's auth handler is in force on Aegra, which serves everybody as one user without one.

Aegra logs a warning if the file of the handler cannot be loaded, and goes on.
"""

from agent.api.langgraph.authorization import auth, authenticate
from agent.errors.error_codes import AgentCode
from identity.errors import ConfigurationError


def fault_of(backend: object) -> str | None:
    """Why `backend`, Aegra's authentication, is not the project's; `None` if it is."""
    loaded = getattr(backend, "auth_instance", None)
    if loaded is None:
        return "Aegra has loaded no auth handler: auth.path must name agent/api/langgraph/entry.py:auth"
    if loaded is not auth or loaded._authenticate_handler is not authenticate:  # noqa: SLF001 - as Aegra calls it
        return "Aegra has loaded another auth handler than agent/api/langgraph/entry.py:auth"
    return None


def require(backend: object) -> None:
    """Raises `ConfigurationError` unless the handler is in force."""
    if fault := fault_of(backend):
        raise ConfigurationError(AgentCode.SETTINGS_INVALID, [fault])
