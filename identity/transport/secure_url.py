"""Which URLs a token, secret or key may be sent to."""

import ipaddress
from urllib.parse import urlsplit


def is_secure_url(url: str) -> bool:
    """Whether `url` is https, or http to a loopback address, with a host and without user information.

    `localhost` counts as loopback. Not checked: what the host name resolves to.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        port = parts.port
    except ValueError:  # a port that is no number, a broken IPv6 address
        return False
    if not host or port == 0 or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback IP address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
