"""When a fault begins, what it affects and when it ends. The agent's tests of faults show each one."""

import pytest

from sandbox.faults.faults import Fault


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


def test_a_fault_may_wait_for_a_request_to_another_service(sandbox, client, jwks) -> None:
    sandbox.cloud.faults.set("idaas.jwks", Fault(status=500, after=1, after_service="idaas.discovery"))
    assert jwks().status_code == 200
    assert client.get(sandbox.cloud.addresses.discovery).status_code == 200
    assert jwks().status_code == 500


def test_a_fault_of_connections_needs_a_port(sandbox, client) -> None:
    for service in ("model_studio.stream", "ecs_metadata"):
        with pytest.raises(ValueError, match="no port"):
            sandbox.cloud.faults.set(service, Fault(refuse=True))
    control = sandbox.url("/__sandbox__/faults/model_studio.stream", "idaas_plain")
    assert client.put(control, json={"refuse": True}).status_code == 400
    assert client.put(control, json={"status": 500, "after_service": "nonsense"}).status_code == 400
