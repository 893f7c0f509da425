"""Failures on demand, over a real connection."""

import contextlib
import json
import ssl
import threading

import httpx
import pytest

from sandbox.faults.faults import SERVICES, Fault
from sandbox.server.server import SandboxOptions, start_sandbox


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


def test_hanging_service_never_responds_and_permits_a_disconnect(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(hang=True, times=1))
    with pytest.raises(httpx.ReadTimeout):
        jwks(timeout=httpx.Timeout(5, read=0.05))
    assert jwks().status_code == 200


def test_latency_delays_the_answer(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(latency=30))
    with pytest.raises(httpx.ReadTimeout):
        jwks(timeout=httpx.Timeout(5, read=0.05))
    sandbox.cloud.faults.set("idaas.jwks", Fault(latency=0.001))
    assert jwks().status_code == 200


@pytest.mark.parametrize("listener", ["idaas", "idaas_plain"])
def test_a_dropped_connection_gives_no_answer_at_all(sandbox, client, listener) -> None:
    address = sandbox.url("/api/v2/iauths_system/oauth2/jwks", listener)
    sandbox.cloud.faults.set("idaas.jwks", Fault(drop=True, times=1))
    with pytest.raises(httpx.TransportError):
        client.get(address)
    assert client.get(address).status_code == 200


def test_a_broken_body_is_half_of_the_real_one(sandbox, jwks) -> None:
    whole = jwks().text
    sandbox.cloud.faults.set("idaas.jwks", Fault(broken_body=True))
    response = jwks()
    assert response.status_code == 200
    assert response.text == whole[: len(whole) // 2]
    with pytest.raises(json.JSONDecodeError):
        response.json()


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


@pytest.mark.parametrize("listener", ["idaas", "idaas_plain"])
def test_a_cut_body_stops_short_of_its_length(sandbox, client, listener) -> None:
    address = sandbox.url("/api/v2/iauths_system/oauth2/jwks", listener)
    sandbox.cloud.faults.set("idaas.jwks", Fault(cut_body=True, times=1))
    with client.stream("GET", address) as response:
        assert response.status_code == 200
        received = b""
        with pytest.raises(httpx.TransportError):  # noqa: PT012 - what came before it counts too
            for piece in response.iter_bytes():
                received += piece
    assert 0 < len(received) < int(response.headers["content-length"])
    assert client.get(address).status_code == 200


def test_web_page_of_a_gateway_has_status_200(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(web_page=True))
    response = jwks()
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_refusing_port_accepts_again_when_the_fault_is_cleared(sandbox, jwks) -> None:
    assert jwks().status_code == 200
    for _ in range(2):
        sandbox.cloud.faults.set("idaas.jwks", Fault(refuse=True))
        with pytest.raises(httpx.ConnectError, match="refused"):
            eventually(jwks)
        sandbox.cloud.faults.clear()
        assert jwks().status_code == 200


def test_a_certificate_can_have_expired(sandbox, jwks) -> None:
    assert jwks().status_code == 200
    sandbox.cloud.faults.set("idaas.jwks", Fault(expired_certificate=True))
    with pytest.raises(httpx.ConnectError, match="certificate has expired"):
        eventually(jwks)
    sandbox.cloud.faults.clear()
    assert jwks().status_code == 200


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
    with pytest.raises(ValueError, match="no port"):
        sandbox.cloud.faults.set("model_studio.stream", Fault(refuse=True))
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


def test_a_service_on_a_port_of_its_own_fails_alone(tmp_path) -> None:
    ports = dict.fromkeys(("idaas_port", "idaas_plain_port", "model_studio_port", "function_compute_port"), 0)
    with start_sandbox(SandboxOptions(folder=tmp_path, separate=("idaas.jwks",), **ports)) as running:
        running.cloud.faults.set("idaas.jwks", Fault(refuse=True))
        shared = running.cloud.addresses.jwks
        own = shared.replace(f":{running.ports['idaas']}/", f":{running.ports['idaas.jwks']}/")
        with httpx.Client(verify=running.ssl_context, trust_env=False) as client:
            assert client.get(shared).status_code == 200
            with pytest.raises(httpx.ConnectError):
                client.get(own)
            running.cloud.reset()
            assert client.get(own).status_code == 200


def test_an_unknown_service_is_an_error() -> None:
    from sandbox.faults.faults import Faults

    with pytest.raises(KeyError):
        Faults().set("nonsense", Fault(status=500))
    assert "idaas.token" in SERVICES


def test_many_threads_consume_a_fault_exactly() -> None:
    from sandbox.faults.faults import Faults

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
