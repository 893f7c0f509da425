"""Why an address cannot be reached: its name, its port or its certificate.

For use after a failure: opens a connection, sends no request, and reports the step that failed.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from agent.commands.doctor.finding import Explanation
from identity.transport.http1.proxy import uses_proxy

_SECONDS: Final = 5.0
# OpenSSL's X509_V_ERR codes.
_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAME: Final = frozenset({62, 64})

Resolve = Callable[[str, int], Awaitable[object]]


async def _system_resolve(host: str, port: int) -> object:
    return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


async def obstacle(
    url: str, setting: str, tls: ssl.SSLContext, *, resolve: Resolve = _system_resolve
) -> Explanation | None:
    """Why `url`, configured by `setting`, cannot be reached; `None` if it can, or if a proxy is used."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme in ("https", "rediss")
    port = parts.port or (443 if secure else 80)
    if parts.scheme in ("http", "https") and uses_proxy(url):
        return None
    try:
        async with asyncio.timeout(_SECONDS):
            await resolve(host, port)
            _, writer = await asyncio.open_connection(host, port, ssl=tls if secure else None)
    except socket.gaierror:
        return Explanation(
            "name_unknown",
            f'the name "{host}" is not known to DNS',
            f"check the host in {setting}, and the DNS of this machine",
        )
    except ssl.SSLCertVerificationError as error:
        return _certificate(error.verify_code, host, port, setting)
    except ssl.SSLError:
        return Explanation(
            "no_tls",
            f"{host}:{port} does not speak TLS",
            f"check scheme and port in {setting}",
        )
    except ConnectionRefusedError:
        sandbox = " (in the sandbox: idaas-agent sandbox)" if host == "localhost" and secure else ""
        remedy = f"check {setting}, and that the service is running{sandbox}"
        return Explanation("refused", f"nothing listens at {host}:{port}", remedy)
    except TimeoutError:
        return Explanation(
            "no_route",
            f"{host}:{port} does not take a connection within {_SECONDS:g} s",
            "check firewall, security group and VPC of this machine, and whether it needs a proxy "
            "(HTTPS_PROXY)",
        )
    except OSError as error:
        return Explanation(
            "no_connection",
            f"{host}:{port}: {(error.strerror or 'no connection').lower()}",
            f"check {setting}",
        )
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


def _certificate(verify_code: int, host: str, port: int, setting: str) -> Explanation:
    if verify_code in (_EXPIRED, _NOT_YET_VALID):
        return Explanation(
            "certificate_expired",
            f"the certificate of {host}:{port} has expired or is not valid yet, by the clock of this machine",
            "renew the certificate of the service; check the clock of this machine",
        )
    if verify_code in _OTHER_NAME:
        return Explanation(
            "certificate_of_another_name",
            f'the certificate of {host}:{port} is not for the name "{host}"',
            f"use in {setting} the name for which the certificate was issued",
        )
    return Explanation(
        "certificate_not_trusted",
        f"the certificate of {host}:{port} is by an authority that this agent does not trust",
        "set SSL_CERT_FILE to a PEM bundle that has the authority "
        "(in the sandbox: .sandbox/ca-bundle.pem, as .sandbox/agent.env says)",
    )
