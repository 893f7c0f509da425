"""The limits of one run."""

from dataclasses import dataclass
from typing import Final

MAX_CALLS: Final = 64
"""Calls of one response that are kept, refused ones included: each has a result, two events and a record.
A response ends at the first call over it, and none of its calls is run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one run. Times are seconds, for one step each; the surface limits the whole run."""

    tool_rounds: int = 8
    """Responses with tool calls in one run; then the model is called once more, without tools."""

    tool_calls: int = 8
    """Tools that one response of the model may call."""

    images: int = 0
    """Images that one request to the model may contain; 0: the model takes none."""

    credentials_seconds: float = 20.0
    tool_seconds: float = 30.0
    model_seconds: float = 120.0

    @property
    def run_calls(self) -> int:
        """Tools that one run may call in total."""
        return self.tool_rounds * self.tool_calls
