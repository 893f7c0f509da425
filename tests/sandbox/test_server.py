"""Starting and stopping: files, ports, certificates, restarts."""

import asyncio
import contextlib
import datetime as dt
import socket
import stat
from pathlib import Path

import httpx
import pytest
from cryptography import x509

from sandbox.certificates import LIFETIME, kept_certificates
from sandbox.generated_secrets import kept_secrets
from sandbox.server.installation import FolderInUseError
from sandbox.server.listener import PortInUseError
from sandbox.server.server import SandboxOptions, start_sandbox
from sandbox.state.directory import AGENT


def anywhere(folder: Path, **options) -> SandboxOptions:
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    return SandboxOptions(folder=folder, **(ports | options))


async def test_request_that_is_under_way_ends_with_a_reset_and_leaves_nothing_behind(sandbox) -> None:
    """Else a request of one test is recorded among those of the next one."""
    url = httpx.URL(sandbox.cloud.addresses.token_endpoint)
    body = f"grant_type=client_credentials&client_id={AGENT}".encode()
    head = f"POST {url.path} HTTP/1.1\r\nHost: sandbox\r\nContent-Length: {len(body)}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n"
    reader, writer = await asyncio.open_connection(url.host, url.port, ssl=sandbox.ssl_context)
    writer.write(head.encode())
    assert (await reader.readline()).split()[1] == b"100"  # the endpoint waits for the body
    sandbox.running.reset()
    with contextlib.suppress(ConnectionError):
        writer.write(body)
        await reader.readline()
    writer.close()
    assert sandbox.cloud.counters.snapshot() == {}
    assert sandbox.cloud.events.snapshot() == ()
    async with httpx.AsyncClient(verify=sandbox.ssl_context) as client:
        assert (await client.get(sandbox.cloud.addresses.jwks)).status_code == 200


def test_everything_secret_is_for_its_owner_only_and_made_once(sandbox) -> None:
    folder = sandbox.running.folder
    for name in ("secrets.json", "agent.env", "client-config.json", "localhost-key.pem"):
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in (folder / "ca.pem").read_text() + (folder / "ca-bundle.pem").read_text()
    assert sandbox.environment["IDAAS_CLIENT_SECRET"] not in (folder / "client-config.json").read_text()
    assert kept_secrets(folder).agent_client_secret == sandbox.cloud.secrets.agent_client_secret
    assert sandbox.cloud.secrets.agent_client_secret not in repr(sandbox.cloud.secrets)


def test_a_port_in_use_is_named_and_nothing_is_written(tmp_path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=str(port)):
            start_sandbox(anywhere(tmp_path / "s", model_studio_port=port))
    assert not (tmp_path / "s").exists()


def test_a_restart_keeps_secrets_keys_and_tokens(tmp_path) -> None:
    with start_sandbox(anywhere(tmp_path)) as first:
        token, jwks = first.cloud.user_token(), first.cloud.jwks()
        ports = first.cloud.addresses.idaas.rsplit(":", 1)[1]
        environment = first.environment
    with start_sandbox(anywhere(tmp_path, idaas_port=int(ports))) as second:
        assert second.cloud.jwks() == jwks
        assert second.cloud.access_tokens.verify(token).subject == "user_alice01"
        assert second.environment["IDAAS_CLIENT_SECRET"] == environment["IDAAS_CLIENT_SECRET"]


def test_certificates_are_for_this_machine_only_kept_and_renewed_in_time(tmp_path) -> None:
    now = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    paths = kept_certificates(tmp_path, now=now)
    first = paths.certificate.read_bytes()
    leaf = x509.load_pem_x509_certificate(first)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(paths.authority.read_bytes()))
    kept_certificates(tmp_path, now=now + LIFETIME - dt.timedelta(days=31))
    assert paths.certificate.read_bytes() == first
    kept_certificates(tmp_path, now=now + LIFETIME - dt.timedelta(days=29))
    assert paths.certificate.read_bytes() != first
    assert paths.authority.read_text() in paths.bundle.read_text()


def test_second_sandbox_leaves_the_files_of_the_first_one_as_they_are(tmp_path: Path) -> None:
    with start_sandbox(anywhere(tmp_path)):
        written = (tmp_path / "agent.env").read_bytes()
        with pytest.raises(FolderInUseError, match=str(tmp_path)):
            start_sandbox(anywhere(tmp_path))
        assert (tmp_path / "agent.env").read_bytes() == written


def test_a_closed_sandbox_frees_its_ports_although_a_client_still_waits(tmp_path) -> None:
    running = start_sandbox(anywhere(tmp_path))
    address = running.cloud.addresses.jwks
    with httpx.Client(verify=running.ssl_context) as client:
        assert client.get(address).status_code == 200
        running.close()
        running.close()
        with pytest.raises(httpx.TransportError):
            client.get(address)
