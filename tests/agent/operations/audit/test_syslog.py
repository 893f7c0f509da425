"""Audit lines by syslog: over UDP, TCP, TLS and local sockets, to real servers."""

import asyncio
import errno
import logging
import re
import ssl
from pathlib import Path

import pytest

from agent.operations.audit.file_destination import AuditFile
from agent.operations.audit.log import AuditLog
from agent.operations.audit.syslog import Syslog, syslog_message
from agent.operations.audit.verify import verify
from agent.settings.variables.observation import SyslogAddress
from identity.errors import AuditError
from sandbox.certificates import kept_certificates
from tests.agent.operations.audit.audit_lines import (
    event,
    put_lines,
    records_of,
    until_it_fails,
    until_it_works,
)
from tests.agent.operations.audit.syslog_server import DatagramServer, StreamServer, refusing_port

pytestmark = pytest.mark.promise("on-record")

LINE = '{"time":"2026-11-24T13:29:21.250Z","event":"tool_call","outcome":"started","hash":"00"}\n'
OTHER = LINE.replace("started", "refused")
MESSAGE = re.compile(rb"<(\d+)>1 (\S+) (\S+) idaas-agent (\d+) (\w+) - (\{.*\})")


def syslog(url: str, cafile: Path | None = None) -> Syslog:
    return Syslog(SyslogAddress.parse(url), lambda: ssl.create_default_context(cafile=cafile))


def texts(messages: list[bytes]) -> list[str]:
    found = [MESSAGE.fullmatch(message) for message in messages]
    return [match[6].decode() + "\n" for match in found if match]


def test_message_has_the_form_of_rfc_5424_and_contains_the_line_unchanged():
    assert syslog_message(LINE, "host.example", 42) == (
        b"<110>1 2026-11-24T13:29:21.250Z host.example idaas-agent 42 tool_call - " + LINE.strip().encode()
    )


@pytest.mark.parametrize(
    ("outcome", "severity"), [("succeeded", 6), ("refused", 5), ("failed", 4), ("cancelled", 5)]
)
def test_severity_is_that_of_the_outcome(outcome, severity):
    message = syslog_message(LINE.replace("started", outcome), "host", 1)
    assert message.startswith(b"<%d>" % (13 * 8 + severity))


@pytest.mark.parametrize(
    ("name", "sent"), [("", b"-"), ("ho st\n", b"host"), ("ünix", b"nix"), ("h" * 300, b"h" * 255)]
)
def test_host_name_has_only_what_rfc_5424_allows(name, sent):
    assert syslog_message(LINE, name, 1).split(b" ")[2] == sent


def test_udp_sends_a_datagram_for_each_line():
    with DatagramServer() as server:
        target = syslog(f"udp://127.0.0.1:{server.port}")
        assert target.append([LINE, OTHER]) == 2
        assert texts(server.messages(2)) == [LINE, OTHER]
        target.close()


def test_tcp_sends_each_message_after_its_length():
    with StreamServer() as server:
        received = server.receive(2)
        target = syslog(f"tcp://127.0.0.1:{server.port}")
        assert target.append([LINE, OTHER]) == 2
        assert texts(received.result()) == [LINE, OTHER]
        target.close()


@pytest.mark.parametrize("kind", ["datagram", "stream"])
def test_local_socket_is_a_datagram_or_a_stream_socket(tmp_path, kind):
    path = tmp_path / "log"
    target = syslog(f"unix://{path}")
    if kind == "datagram":
        with DatagramServer(path) as datagrams:
            target.append([LINE, OTHER])
            assert texts(datagrams.messages(2)) == [LINE, OTHER]
    else:
        with StreamServer(path=path) as stream:
            received = stream.receive(2, by_lines=True)
            target.append([LINE, OTHER])
            assert texts(received.result()) == [LINE, OTHER]
    target.close()


def test_tls_is_verified(tmp_path):
    certificates = kept_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    with StreamServer(tls=context) as server:
        received = server.receive(1)
        target = syslog(f"tls://localhost:{server.port}", certificates.authority)
        target.append([LINE])
        assert texts(received.result()) == [LINE]
        target.close()
        received = server.receive(1)
        stranger = syslog(f"tls://localhost:{server.port}")
        with pytest.raises(OSError, match="certificate verify failed"):
            stranger.append([LINE])
        assert isinstance(received.exception(), OSError)


def test_connection_that_the_server_closed_is_replaced_before_a_line_is_sent():
    with StreamServer() as server:
        target = syslog(f"tcp://127.0.0.1:{server.port}")
        for line in (LINE, OTHER):
            received = server.receive(1)
            assert target.append([line]) == 1
            assert texts(received.result()) == [line]
        target.close()


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_server_that_is_away_is_a_failure_that_names_the_address(tmp_path, scheme):
    with refusing_port() as port:
        target = syslog(f"tcp://127.0.0.1:{port}" if scheme == "tcp" else f"unix://{tmp_path}/log")
        with pytest.raises(OSError, match=r"syslog (tcp://127\.0\.0\.1:|unix:)") as caught:
            target.append([])
        assert caught.value.errno in (errno.ECONNREFUSED, errno.ENOENT)


def test_udp_server_that_is_away_is_noticed_when_the_system_reports_it():
    with DatagramServer() as server:
        target = syslog(f"udp://127.0.0.1:{server.port}")
    target.append([LINE])
    with pytest.raises(OSError, match="refused"):
        target.append([LINE])
    target.close()


async def test_log_survives_an_absent_server_and_its_chain_is_whole(tmp_path):
    with refusing_port() as port:
        log = AuditLog(syslog(f"tcp://127.0.0.1:{port}"), logged=False, capacity=2, retry_seconds=0.001)
        await until_it_fails(log)
        for number in range(5):
            await log.record(event(f"call_{number}"))
        failures = log.failures
        while log.failures < failures + 2:  # noqa: ASYNC110 - a thread counts them
            await asyncio.sleep(0)
        with StreamServer(port=port) as server:
            received = server.receive(5)
            await until_it_works(log)
            await log.aclose()
            collected = tmp_path / "collected.jsonl"
            put_lines(collected, [text.strip() for text in texts(received.result())])
        records = records_of(collected)
        assert [record["event"] for record in records] == [
            "audit_started",
            "tool_call",
            "tool_call",
            "audit_resumed",
            "audit_ended",
        ]
        assert records[3]["lost"] == 3
        assert verify([collected]).findings == []


async def test_absent_server_delays_no_other_log(tmp_path, caplog):
    with refusing_port() as port:
        file = tmp_path / "audit.jsonl"
        absent = AuditLog(syslog(f"tcp://127.0.0.1:{port}"), logged=False, retry_seconds=60)
        logs = AuditLog(AuditFile(file), required=True, others=[absent])
        for number in range(3):
            await logs.record(event(f"call_{number}"))
        await until_it_fails(absent)
        with pytest.raises(AuditError):
            await logs.check()
        await logs.aclose()
        assert len(records_of(file)) == 5
        assert "the audit log ends without 3 records" in caplog.text
        assert (logs.records, absent.failures > 0, absent.lost) == (3, True, 0)
        assert [record.levelno for record in caplog.records if "cannot be written" in record.message] == [
            logging.ERROR
        ]


async def test_record_that_the_required_log_refuses_is_in_no_log(tmp_path):

    with DatagramServer() as server:
        shipped = AuditLog(syslog(f"udp://127.0.0.1:{server.port}"), logged=False)
        logs = AuditLog(AuditFile(Path("/dev/full")), required=True, retry_seconds=60, others=[shipped])
        with pytest.raises(AuditError):
            await logs.record(event())
        await shipped.record(event("call_2"))
        await logs.aclose()
        assert [b'"call_2"' in message for message in server.messages(3)] == [False, True, False]


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("udp://logs.example", "udp://logs.example:514"),
        ("tcp://127.0.0.1", "tcp://127.0.0.1:601"),
        ("tls://logs.example:6515/", "tls://logs.example:6515"),
        ("unix:///dev/log", "unix:/dev/log"),
    ],
)
def test_address_has_the_registered_port_by_default(url, address):
    assert str(SyslogAddress.parse(url)) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "logs.example",
        "http://logs.example",
        "udp://",
        "udp://host:0x1",
        "udp://host/path",
        "udp://u:p@host",
        "unix://dev/log",
        "unix:",
        "tcp://host?x",
        "udp://[",
    ],
)
def test_other_addresses_are_refused(url):
    with pytest.raises(ValueError, match="must be udp"):
        SyslogAddress.parse(url)
