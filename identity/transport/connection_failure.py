"""Why a connection to a server was not made: one of a few reasons, which the doctor explains further."""

import socket
import ssl
from typing import Final

import httpx

_CERTIFICATE: Final = {  # by OpenSSL's X509_V_ERR codes
    **dict.fromkeys((9, 10), "certificate_expired"),
    **dict.fromkeys((62, 64), "certificate_of_another_name"),
}
_WORDS: Final = {
    "name_unknown": "the name of its host is unknown",
    "certificate_expired": "its certificate has expired or is not valid yet, by the clock of this machine",
    "certificate_of_another_name": "its certificate is for another name",
    "certificate_not_trusted": "its certificate is by an authority that is not trusted (SSL_CERT_FILE)",
    "no_tls": "it does not speak TLS",
    "refused": "it is refused: no server listens there",
    "no_route": "there is no response",
    "no_connection": "the network reports an error",
}


def obstacle_of(error: OSError) -> str:
    """The reason: a key of the doctor's `causes.toml`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE.get(error.verify_code, "certificate_not_trusted")
    kinds: tuple[tuple[type[OSError], str], ...] = (
        (socket.gaierror, "name_unknown"),
        (ssl.SSLError, "no_tls"),
        (ConnectionRefusedError, "refused"),
        (TimeoutError, "no_route"),
    )
    return next((reason for kind, reason in kinds if isinstance(error, kind)), "no_connection")


def connection_failure(error: httpx.HTTPError) -> str:
    """`the connection failed`, and why if it was never made. No address, and nothing of a certificate."""
    cause = _system_error(error)
    if not isinstance(error, httpx.ConnectError) or cause is None:
        return "the connection failed"
    return f"the connection failed: {_WORDS[obstacle_of(cause)]}"


def _system_error(error: BaseException) -> OSError | None:
    """The system's error behind `error`, which httpx's own transport wraps twice."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    while cause is not None and isinstance(cause.__cause__, OSError):
        cause = cause.__cause__
    return cause
