"""Why a connection was not made: each cause has its own words, and no address is in them."""

import socket
import ssl

import httpx

from identity.transport.bounded_response import TransportFailure, send
from identity.transport.client import http_client
from identity.transport.connection_failure import connection_failure, obstacle_of
from sandbox.faults.faults import Fault

NOT_TRUSTED = "the connection failed: its certificate is by an authority that is not trusted (SSL_CERT_FILE)"


async def reason(url: str, trusted: ssl.SSLContext) -> str:
    async with http_client(trusted, 20.0) as http:
        failure = await send(http, http.build_request("GET", url), max_bytes=1000, deadline=20.0)
    assert isinstance(failure, TransportFailure)
    return failure.reason


async def test_certificate_of_another_authority_and_one_that_has_expired_are_told_apart(sandbox) -> None:
    url = sandbox.cloud.addresses.jwks
    assert await reason(url, ssl.create_default_context()) == NOT_TRUSTED
    sandbox.cloud.faults.set("idaas.jwks", Fault(expired_certificate=True))
    expired = "its certificate has expired or is not valid yet, by the clock of this machine"
    assert await reason(url, sandbox.ssl_context) == f"the connection failed: {expired}"


async def test_port_without_tls_and_port_without_a_server_are_told_apart(sandbox) -> None:
    plain = sandbox.cloud.addresses.idaas_plain.replace("http:", "https:")
    assert await reason(plain, sandbox.ssl_context) == "the connection failed: it does not speak TLS"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    refused = "the connection failed: it is refused: no server listens there"
    assert await reason(f"https://127.0.0.1:{port}/", sandbox.ssl_context) == refused


def test_certificate_of_another_name_an_unknown_host_and_other_errors_have_their_reasons() -> None:
    of_another_name = ssl.SSLCertVerificationError()
    of_another_name.verify_code = 62
    errors = of_another_name, socket.gaierror(), TimeoutError(), OSError(101, "secret.example is away")
    assert [obstacle_of(error) for error in errors] == [
        "certificate_of_another_name",
        "name_unknown",
        "no_route",
        "no_connection",
    ]
    unreachable = httpx.ConnectError("secret.example is away")
    unreachable.__cause__ = errors[-1]
    assert connection_failure(unreachable) == "the connection failed: the network reports an error"
    assert connection_failure(httpx.ReadError("secret.example is away")) == "the connection failed"
