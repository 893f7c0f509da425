"""What one run may use."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one run. Times are seconds, for one step each; the whole run's deadline is the surface's."""

    tool_rounds: int = 8
    """How often the model may answer with tool calls; then it is asked once more, without tools."""

    tool_calls: int = 8
    """How many tools one answer of the model may call."""

    credentials_seconds: float = 20.0
    tool_seconds: float = 30.0
    model_seconds: float = 120.0

    @property
    def run_calls(self) -> int:
        """How many tools one run may call altogether."""
        return self.tool_rounds * self.tool_calls
