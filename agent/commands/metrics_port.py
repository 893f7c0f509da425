"""Opens the port of metrics, for the commands that serve the agent."""

import logging
import socket
from typing import Final

from agent.settings.settings import Settings

_LOG: Final = logging.getLogger("idaas_agent.metrics")


def metrics_listener(settings: Settings) -> socket.socket | None:
    """The bound socket of METRICS_PORT; `None` without it. Raises `PortInUseError`."""
    from agent.http.web_server import listen

    if settings.metrics_port is None:
        return None
    listener = listen(settings.metrics_host, settings.metrics_port, "metrics", "METRICS_PORT")
    _LOG.info("metrics on %s, port %d", *listener.getsockname()[:2])
    return listener
