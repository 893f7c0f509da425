"""Failures on demand, over a real connection."""

import json
import threading

import httpx
import pytest

from sandbox.faults import SERVICES, Fault


@pytest.fixture
def jwks(sandbox, client):
    return lambda **options: client.get(sandbox.cloud.addresses.jwks, **options)


def test_a_status_comes_without_reaching_the_service(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=503, retry_after=7))
    response = jwks()
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert response.json()["error"] == "server_error"
    assert sandbox.cloud.counters.snapshot() == {"idaas.jwks:fault": 1}


def test_a_fault_lasts_as_many_requests_as_it_says(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500, times=2))
    assert [jwks().status_code for _ in range(4)] == [500, 500, 200, 200]
    assert sandbox.cloud.faults.snapshot() == {}


def test_a_fault_that_shall_strike_no_times_does_not_strike(sandbox, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500, times=0))
    assert jwks().status_code == 200


def test_a_fault_strikes_its_own_service_only(sandbox, client, jwks, machine) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500))
    assert client.get(sandbox.cloud.addresses.discovery).status_code == 200
    assert machine().status_code == 200
    assert jwks().status_code == 500
    sandbox.cloud.faults.clear("idaas.jwks")
    assert jwks().status_code == 200


def test_a_hanging_service_never_answers_and_lets_the_client_go(sandbox, jwks) -> None:
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


def test_the_developer_api_can_fail(sandbox, client) -> None:
    sandbox.cloud.faults.set("developer_api", Fault(status=429, retry_after=1))
    response = client.get(sandbox.cloud.addresses.obtain_credential)
    assert (response.status_code, response.json()["error"]) == (429, "too_many_requests")


def test_an_unknown_service_is_an_error() -> None:
    from sandbox.faults import Faults

    with pytest.raises(KeyError):
        Faults().set("nonsense", Fault(status=500))
    assert "idaas.token" in SERVICES


def test_many_threads_use_up_a_fault_exactly() -> None:
    from sandbox.faults import Faults

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
