"""The members of a run's configuration that only the server may set."""

from typing import Final

_RESERVED: Final = ("__pregel_", "__langsmith_")
"""LangGraph's own: an answer to an interrupt without a command, for one. LangSmith's: a further project to
which a run is sent."""

_MAX_NAME: Final = 64


def reserved_members(config: object) -> list[str]:
    """The reserved members of `config["configurable"]`, cut after 64 characters."""
    configurable = config.get("configurable") if isinstance(config, dict) else None
    if not isinstance(configurable, dict):
        return []
    return [str(name)[:_MAX_NAME] for name in configurable if str(name).startswith(_RESERVED)]
