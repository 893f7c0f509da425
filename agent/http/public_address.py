"""The address of the agent that it tells clients: in its card, its metadata and its challenges.

A client sends its access token there, so a request's `Host` does not choose it.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from agent.settings.settings import Settings
from identity.transport.secure_url import is_loopback


def public_address(settings: Settings, scope: MutableMapping[str, Any]) -> str:
    """`AGENT_PUBLIC_URL`, without a slash at its end.

    Without it, the address of the request with the ASGI `scope` if its `Host` is a loopback address;
    otherwise the address at which the connection arrived. Not checked: whether the client reaches that one.
    """
    if settings.agent_public_url is not None:
        return settings.agent_public_url.rstrip("/")
    host = Headers(scope=scope).get("host", "")
    authority = host if _is_loopback_authority(host) else _arrived_at(scope)
    return f"{scope['scheme']}://{authority}{scope.get('root_path', '').rstrip('/')}"


def _is_loopback_authority(host: str) -> bool:
    """Whether the value of `Host` is a loopback address, perhaps with a port, and nothing else."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname
        port = parts.port
    except ValueError:  # a port that is no number, a broken IPv6 address
        return False
    return parts.netloc == host and "@" not in host and port != 0 and is_loopback(name or "")


def _arrived_at(scope: Mapping[str, Any]) -> str:
    name, port = scope.get("server") or ("localhost", None)
    name = f"[{name}]" if ":" in name else name
    return name if port is None else f"{name}:{port}"
