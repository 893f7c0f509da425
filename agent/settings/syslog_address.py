"""The address of a syslog server, as in `AUDIT_SYSLOG_URL`."""

from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import unquote, urlsplit

_PORTS: Final = {"udp": 514, "tcp": 601, "tls": 6514}


@dataclass(frozen=True, slots=True)
class SyslogAddress:
    """`scheme` is `udp`, `tcp` or `tls`, with `host` and `port`, or `unix`, with `path`."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, url: str) -> Self:
        """The address in `udp://host:514`, `tcp://host:601`, `tls://host:6514` or `unix:///dev/log`. These
        are the default ports. Raises `ValueError`.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            parts, host, port = urlsplit(""), "", None
        whole = not (parts.query or parts.fragment or parts.username or parts.password)
        if whole and parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/"):
            return cls("unix", path=unquote(parts.path))
        if whole and parts.scheme in _PORTS and host and parts.path in ("", "/"):
            return cls(parts.scheme, host, port or _PORTS[parts.scheme])
        raise ValueError(
            "must have the form udp://host:514, tcp://host:601, tls://host:6514 or unix:///dev/log"
        )

    def __str__(self) -> str:
        return f"unix:{self.path}" if self.scheme == "unix" else f"{self.scheme}://{self.host}:{self.port}"
