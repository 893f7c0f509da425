"""The port of metrics: one path, no fault of a client reaches the log, and few connections at a time."""

import contextlib
import http.client
import socket
from collections.abc import Iterator

import pytest

from agent.http.web_server import listen
from agent.operations.metrics.agent_measures import AgentMeasures
from agent.operations.metrics.metrics_server import MetricsServer

Address = tuple[str, int]


@pytest.fixture
def address() -> Iterator[Address]:
    listener = listen("127.0.0.1", 0, "metrics", "METRICS_PORT")
    server = MetricsServer(listener)
    server.start(AgentMeasures().metrics.read)
    yield listener.getsockname()
    server.stop()


def get(address: Address, path: str, method: str = "GET") -> http.client.HTTPResponse:
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=10)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        response.body = response.read()  # type: ignore[attr-defined]  # kept for the test
        return response


def test_metrics_are_served_without_being_cached(address: Address) -> None:
    response = get(address, "/metrics?name=x")
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-store"
    assert b"idaas_agent_processes 1.0" in response.body  # type: ignore[attr-defined]  # set by `get`


@pytest.mark.parametrize("path", ["/", "/metrics/", "/health", "/openai/v1/models"])
def test_nothing_else_is_served(address: Address, path: str) -> None:
    assert get(address, path).status == 404


def test_methods_other_than_get_are_refused(address: Address) -> None:
    assert get(address, "/metrics", "POST").status == 501


def test_client_that_leaves_is_not_reported(address: Address, capfd: pytest.CaptureFixture[str]) -> None:
    with socket.create_connection(address) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nx: ")
    with socket.create_connection(address) as client:
        client.sendall(b"\x00\xff\r\n\r\n")
        client.recv(1000)
    assert get(address, "/metrics").status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.promise("bounded")
def test_incomplete_requests_neither_occupy_more_than_four_threads_nor_the_port(address: Address) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            trickling = stack.enter_context(socket.create_connection(address, timeout=10))
            trickling.sendall(b"GET /metrics HTTP/1.1\r\nx: ")
        oldest = stack.enter_context(socket.create_connection(address, timeout=10))
        for _ in range(4):
            stack.enter_context(socket.create_connection(address, timeout=10))
        assert oldest.recv(1) == b"", "the oldest connection is closed for a further one"
        assert get(address, "/metrics").status == 200


def test_port_is_released_by_a_stop() -> None:
    listener = listen("127.0.0.1", 0, "metrics", "METRICS_PORT")
    port = listener.getsockname()[1]
    server = MetricsServer(listener)
    server.start(dict)
    server.stop()
    listen("127.0.0.1", port, "metrics", "METRICS_PORT").close()
