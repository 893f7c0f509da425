"""A syslog server as the destination of audit lines: over UDP, TCP, TLS or a local socket."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from agent.operations.audit.log import Destination
from agent.settings.variables.observation import SyslogAddress

_SECONDS: Final = 5.0
"""Bounds connecting, and sending a line."""
_FACILITY: Final = 13
"""Log audit (RFC 5424, table 1)."""
_SEVERITY: Final = {"refused": 5, "failed": 4, "cancelled": 5}
"""Notice and warning; other outcomes are informational, 6."""
_BEGINNING: Final = re.compile(r'\{"time":(?:"([^"]+)"|\d+),.*?"event":"(\w+)","outcome":"(\w+)"')
_APP_NAME: Final = "idaas-agent"


class Syslog(Destination):
    """RFC 5424 messages, connected with the first line, and again after a failure.

    UDP (RFC 5426): one datagram a line; a lost one is not noticed. TCP (RFC 6587) and TLS (RFC 5425): each
    message after its length. A local socket (`unix`): datagrams, or lines if the server reads a stream.
    Syslog has no acknowledgement: lines that were sent shortly before a connection broke may be lost. The
    numbers of the lines then have a gap.
    """

    def __init__(self, address: SyslogAddress, tls: Callable[[], ssl.SSLContext]) -> None:
        """`tls` makes the context of TLS."""
        self._address = address
        self._tls = tls
        self._hostname = socket.gethostname()
        self._socket: socket.socket | None = None
        self._frame: Callable[[bytes], bytes] = bytes

    def append(self, lines: Sequence[str]) -> int:
        connected = self._connected()
        process = os.getpid()
        for count, line in enumerate(lines):
            try:
                connected.sendall(self._frame(syslog_message(line, self._hostname, process)))
            except OSError as error:
                self.close()
                if count == 0:
                    raise OSError(error.errno, error.strerror or "the syslog server does not read") from error
                return count
        return len(lines)

    def close(self) -> None:
        """Closes the connection."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is not None and self._was_closed(self._socket):
            self.close()
        if self._socket is None:
            try:
                self._socket, self._frame = self._connect()
            except OSError as error:
                reason = error.strerror or "no connection"
                raise OSError(error.errno or errno.EIO, f"syslog {self._address}: {reason}") from error
        return self._socket

    def _was_closed(self, connected: socket.socket) -> bool:
        """Whether the server has closed a stream: the first write after that would seem to succeed."""
        if connected.type != socket.SOCK_STREAM:
            return False
        connected.settimeout(0)
        try:
            return connected.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        finally:
            connected.settimeout(_SECONDS)

    def _connect(self) -> tuple[socket.socket, Callable[[bytes], bytes]]:
        address = self._address
        if address.scheme == "unix":
            return self._connect_locally()
        if address.scheme == "udp":
            return self._connect_datagrams(), bytes
        connected = socket.create_connection((address.host, address.port), _SECONDS)
        if address.scheme == "tls":
            try:
                connected = self._tls().wrap_socket(connected, server_hostname=address.host)
            except BaseException:
                connected.close()
                raise
        return connected, lambda message: b"%d %s" % (len(message), message)

    def _connect_datagrams(self) -> socket.socket:
        failure: OSError | None = None
        found = socket.getaddrinfo(self._address.host, self._address.port, type=socket.SOCK_DGRAM)
        for family, kind, protocol, _, address in found:
            connected = socket.socket(family, kind, protocol)
            try:
                connected.settimeout(_SECONDS)
                connected.connect(address)
            except OSError as error:
                connected.close()
                failure = error
            else:
                return connected
        raise failure or OSError(errno.EADDRNOTAVAIL, "no address")

    def _connect_locally(self) -> tuple[socket.socket, Callable[[bytes], bytes]]:
        for kind, frame in ((socket.SOCK_DGRAM, bytes), (socket.SOCK_STREAM, lambda sent: sent + b"\n")):
            connected = socket.socket(socket.AF_UNIX, kind)
            try:
                connected.settimeout(_SECONDS)
                connected.connect(self._address.path)
            except OSError as error:
                connected.close()
                if error.errno != errno.EPROTOTYPE:
                    raise
            else:
                return connected, frame
        raise OSError(errno.EPROTOTYPE, "neither a datagram nor a stream socket")


def syslog_message(line: str, hostname: str, process: int) -> bytes:
    """The message of an audit line, which is its text, in ASCII and unchanged.

    Time, MSGID (the event) and severity (by the outcome) are those of the line. `hostname` loses what
    RFC 5424 does not allow; `process` is the process's number in the operating system.
    """
    text = line.rstrip("\n")
    begins = _BEGINNING.match(text)
    time, event, outcome = begins.groups("-") if begins else ("-", "-", "")
    priority = _FACILITY * 8 + _SEVERITY.get(outcome, 6)
    host = "".join(character for character in hostname if "!" <= character <= "~")[:255] or "-"
    return f"<{priority}>1 {time} {host} {_APP_NAME} {process} {event[:32]} - {text}".encode("ascii")
