"""Which calls of tools were begun, over all processes that may execute one run."""

from typing import Final, Protocol

MAY_HAVE_EFFECT: Final = (
    "not run again: the run was interrupted during this call, which may already have taken effect; check "
    "that before you call again"
)


class BegunCalls(Protocol):
    """A record that outlives the process. A server that executes a run again after a failure supplies one."""

    async def begin(self, call: str) -> bool:
        """Whether `call` was not begun before. Atomic. Raises `UnavailableError`: the call is not made."""
