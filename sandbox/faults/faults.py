"""What is wrong with a service: failures on demand."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Literal

SERVICES = (
    "idaas.token",
    "idaas.jwks",
    "idaas.discovery",
    "idaas.authorize",
    "developer_api",
    "model_studio",
    "model_studio.stream",
    "amap",
    "function_compute",
    "ecs_metadata",
    "credentials_uri",
    "openapi",
    "sts",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong. Members combine: wait `latency`, then the first that is set of the others.

    `hang` never answers; `drop` cuts the connection without an answer; `status` answers with that status
    (and `Retry-After: retry_after`, if given) without reaching the service; `redirect` answers 307 with that
    `Location`; `web_page` answers 200 with a page of HTML, as a gateway with a sign-in page does.
    These let the service answer: `broken_body` ends after half of the first piece of the body, as if that
    were all; `cut_body` sends as much, and cuts the connection; `drip` sends the body byte by byte, so many
    seconds apart; `flood` sends so many bytes more than the body has.

    Two concern the port, and so everything that is served there: `refuse` refuses connections,
    `expired_certificate` shows one that has expired.

    `times` limits the fault to that many requests. It begins when `after` requests have arrived, which are
    served: requests to the same service, or to `after_service`. Times are in seconds.
    """

    status: int | None = None
    latency: float = 0.0
    hang: bool = False
    drop: bool = False
    redirect: str | None = None
    web_page: bool = False
    broken_body: bool = False
    cut_body: bool = False
    drip: float = 0.0
    flood: int = 0
    retry_after: int | str | None = None
    refuse: bool = False
    expired_certificate: bool = False
    times: int | None = None
    after: int = 0
    after_service: str | None = None


PortState = Literal["open", "shut", "expired"]


class Faults:
    """The faults in force or to come, one at most for each service name. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, Fault] = {}
        self._ports: dict[str, Callable[[PortState], None]] = {}

    def on_port(self, service: str, show: Callable[[PortState], None]) -> None:
        """`show` makes the fault of new connections at the port where `service` listens."""
        self._ports[service] = show

    def set(self, service: str, fault: Fault) -> None:
        """From now on `service` has this fault, instead of any other.

        Raises KeyError if it is unknown, ValueError for a fault of connections if it has no port of its own.
        """
        for name in {service, fault.after_service or service}:
            if name not in SERVICES:
                raise KeyError(name)
        if (fault.refuse or fault.expired_certificate) and service not in self._ports:
            raise ValueError(f'service "{service}" has no port of its own')
        with self._lock:
            self._faults[service] = fault
        self._settle()

    def clear(self, service: str | None = None) -> None:
        """Clears the fault of `service`, or all faults."""
        with self._lock:
            if service is None:
                self._faults.clear()
            else:
                self._faults.pop(service, None)
        self._settle()

    def snapshot(self) -> dict[str, Fault]:
        """A copy of what is in force or to come; `times` and `after` are what remains."""
        with self._lock:
            return dict(self._faults)

    def take(self, service: str) -> Fault | None:
        """The fault for the request that just arrived; uses up one of its `times`."""
        with self._lock:
            fault = self._strike(service)
            begun = self._count_down(service)
        if begun:
            self._settle()
        return fault

    def _strike(self, service: str) -> Fault | None:
        fault = self._faults.get(service)
        if fault is None or fault.after > 0 or fault.refuse or fault.expired_certificate:
            return None
        if fault.times is None:
            return fault
        if fault.times <= 1:
            del self._faults[service]
        else:
            self._faults[service] = replace(fault, times=fault.times - 1)
        return fault if fault.times > 0 else None

    def _count_down(self, service: str) -> bool:
        """Whether a fault begins with this request."""
        begun = False
        for name, fault in self._faults.items():
            if fault.after > 0 and (fault.after_service or name) == service:
                self._faults[name] = replace(fault, after=fault.after - 1)
                begun = begun or fault.after == 1
        return begun

    def _settle(self) -> None:
        """Every port shows what the faults say. Not under the lock: a port waits for the servers' thread."""
        faults = self.snapshot()
        states: dict[Callable[[PortState], None], PortState] = dict.fromkeys(self._ports.values(), "open")
        for service, port in self._ports.items():
            fault = faults.get(service)
            if fault is None or fault.after > 0:
                continue
            if fault.refuse:
                states[port] = "shut"
            elif fault.expired_certificate and states[port] == "open":
                states[port] = "expired"
        for show, state in states.items():
            show(state)
