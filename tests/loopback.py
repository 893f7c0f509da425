"""Ports of loopback, and whether a server of LangGraph's API answers there."""

import contextlib
import socket

import httpx


def free_port() -> int:
    """A port that is free at the time of the call."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(url: str) -> bool:
    """Whether the server is up."""
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/ok", timeout=5).status_code == 200
    return False
