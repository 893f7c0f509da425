"""What is put under load: one server process, or several behind a balancer."""

from typing import Protocol


class LoadedServer(Protocol):
    """`ServerProcess` is one."""

    @property
    def port(self) -> int:
        """Of loopback."""
        ...

    @property
    def url(self) -> str:
        """Its origin."""
        ...

    def cpu_seconds(self) -> float:
        """User and system time of all its running processes."""
        ...
