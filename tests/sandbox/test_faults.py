"""When a fault begins, what it affects and when it ends. The agent's tests of faults show each one."""

import contextlib
import json
import ssl
import threading

import httpx
import pytest

from sandbox.faults.faults import Fault, Faults


@pytest.fixture
def jwks(sandbox, client):
    return lambda **options: client.get(sandbox.cloud.addresses.jwks, **options)


def test_a_status_comes_without_reaching_the_service(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=503, retry_after=7))
    response = jwks()
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert response.json()["error"] == "server_error"
    assert sandbox.cloud.counters.snapshot() == {"idaas.jwks:fault": 1}


@pytest.mark.parametrize(
    ("after", "times", "found"),
    [(0, 2, [500, 500, 200, 200]), (0, 0, [200] * 4), (2, 1, [200, 200, 500, 200])],
)
def test_a_fault_begins_after_so_many_requests_and_lasts_for_its_number(
    sandbox, jwks, after, times, found
) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500, after=after, times=times))
    assert [jwks().status_code for _ in range(4)] == found
    assert sandbox.cloud.faults.snapshot() == {}


def test_fault_affects_only_its_service(sandbox, client, jwks, machine) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500))
    assert client.get(sandbox.cloud.addresses.discovery).status_code == 200
    assert machine().status_code == 200
    assert jwks().status_code == 500
    sandbox.cloud.faults.clear("idaas.jwks")
    assert jwks().status_code == 200


def test_a_broken_event_of_a_stream_is_a_whole_event(sandbox, client) -> None:
    sandbox.cloud.faults.set("model_studio", Fault(broken_body=True))
    body = {"model": "qwen-plus", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    key = sandbox.cloud.secrets.llm_api_key
    response = client.post(
        f"{sandbox.cloud.addresses.llm_base_url}/chat/completions",
        json=body,
        headers={"Authorization": f"Bearer {key}"},
    )
    data = response.text.removeprefix("data: ")
    assert data.endswith("\n\n")
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)


def eventually(request) -> None:
    """An old connection may be used once more before its end is noticed."""
    with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError, ssl.SSLError):
        request()
    request()


def test_a_fault_may_wait_for_a_request_to_another_service(sandbox, client, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500, after=1, after_service="idaas.discovery"))
    assert jwks().status_code == 200
    assert client.get(sandbox.cloud.addresses.discovery).status_code == 200
    assert jwks().status_code == 500


def test_request_that_shuts_a_port_receives_a_response(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(refuse=True, after=1))
    assert jwks().status_code == 200
    with pytest.raises(httpx.ConnectError, match="refused"):
        eventually(jwks)


def test_a_fault_of_connections_needs_a_port(sandbox, client) -> None:
    for service in ("model_studio.stream", "ecs_metadata"):
        with pytest.raises(ValueError, match="no port"):
            sandbox.cloud.faults.set(service, Fault(refuse=True))
    control = sandbox.url("/__sandbox__/faults/model_studio.stream", "idaas_plain")
    assert client.put(control, json={"refuse": True}).status_code == 400
    assert client.put(control, json={"status": 500, "after_service": "nonsense"}).status_code == 400


def test_ports_are_shut_and_opened_over_the_control_endpoint_too(sandbox, client) -> None:
    control = sandbox.url("/__sandbox__/faults/function_compute", "idaas_plain")
    assert client.put(control, json={"refuse": True}).status_code == 200
    with pytest.raises(httpx.ConnectError):
        client.get(sandbox.cloud.addresses.function_compute)
    assert client.delete(control).status_code == 200
    assert client.get(sandbox.cloud.addresses.function_compute).status_code > 0


def test_an_unknown_service_is_an_error() -> None:
    with pytest.raises(KeyError):
        Faults().set("nonsense", Fault(status=500))


def test_many_threads_consume_a_fault_exactly() -> None:
    faults, taken = Faults(), []
    faults.set("amap", Fault(status=500, times=50))

    def take() -> None:
        taken.extend(faults.take("amap") for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(fault is not None for fault in taken) == 50
