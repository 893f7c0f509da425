"""The names that A2A's objects share, in the JSON form of its protocol buffers.

    {"task": {…}}   {"statusUpdate": {…}}   {"artifactUpdate": {…}}

Members without a value are absent.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

PROTOCOL_VERSION: Final = "1.0"
OLDER_VERSION: Final = "0.3"
"""Spoken too (`plugins.a2a.version`)."""
RPC_PATH: Final = "/a2a"
VERSION_HEADER: Final = "A2A-Version"

METADATA_KEY: Final = "idaas-agent"
"""The member of `metadata` that contains what A2A has no member for."""

TEXT: Final = "text/plain"
JSON: Final = "application/json"

Members: TypeAlias = dict[str, Any]
"""An object of A2A."""


class TaskState(StrEnum):
    """The state of a task. Nothing follows one that has `ended`."""

    WORKING = "TASK_STATE_WORKING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELED = "TASK_STATE_CANCELED"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"

    @property
    def ended(self) -> bool:
        """Whether the task can neither continue nor be cancelled."""
        return self in (TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED)

    @property
    def waits(self) -> bool:
        """Whether the task continues once its user has decided."""
        return self in (TaskState.INPUT_REQUIRED, TaskState.AUTH_REQUIRED)


def about(**members: object) -> Members:
    """The member `metadata` with the agent's own `members`."""
    return {"metadata": {METADATA_KEY: members}}


def text_part(text: str) -> Members:
    """A part that is text."""
    return {"text": text, "mediaType": TEXT}


def data_part(data: Mapping[str, Any]) -> Members:
    """A part that is JSON."""
    return {"data": dict(data), "mediaType": JSON}
