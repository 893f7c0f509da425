"""What attacks share: the real agent on the sandbox, as the end-to-end tests start it."""

from tests.end_to_end.conftest import start_agent

__all__ = ["start_agent"]
