"""A service that does not list its tools: the answer is given without it, and every surface names it."""

import json
from typing import Any

import pytest

from graph.error_codes import GraphCode
from identity.errors import ServiceError
from sandbox.faults.faults import Fault
from tests.agent.api.threads.served_threads import CHAT, ThreadsOf
from tests.graph.scripted_model import DONE, calls
from tests.security.surfaces import SURFACES

AWAY = {"amap": "external_service_failed"}
ENTERPRISE = calls(("enterprise_service", {}))


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.__name__)
async def test_every_surface_names_the_service_that_is_away(threads: ThreadsOf, surface: Any) -> None:
    served = await threads([DONE] * 4)
    served.sandbox.cloud.faults.set("amap", Fault(status=503))
    response = await surface(served, "Hello", served.headers())
    assert response.status_code == 200
    assert "services_unavailable" in response.text
    assert json.dumps(AWAY) in response.text.replace('\\"', '"').replace('":"', '": "')
    assert '"amap" cannot be used now' in str(served.model.asked[-1][0].content)


async def test_service_that_is_away_is_named_once_in_a_run(threads: ThreadsOf) -> None:
    served = await threads([ENTERPRISE, ENTERPRISE, DONE])
    served.sandbox.cloud.faults.set("amap", Fault(status=503))
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    text = (await served.ask("POST", CHAT, body=body)).text
    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    events = [chunk["agent_event"] for chunk in chunks if "agent_event" in chunk]
    named = [each for each in events if each["type"] == "services_unavailable"]
    assert named == [{"type": "services_unavailable", "services": AWAY}]
    assert len(served.model.asked) == 3


async def test_failure_of_the_model_still_comes_before_the_first_byte(threads: ThreadsOf) -> None:
    served = await threads([ServiceError(GraphCode.MODEL_CALL_FAILED, "status 400", status=400)])
    served.sandbox.cloud.faults.set("amap", Fault(status=503))
    body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True}
    response = await served.ask("POST", CHAT, body=body)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "model_call_failed")


async def test_service_that_refuses_the_caller_is_not_away(threads: ThreadsOf) -> None:
    served = await threads([DONE])
    served.sandbox.cloud.vault.find("amap_api_key").enabled = False
    text = (await served.ask("POST", CHAT, body={"messages": [{"role": "user", "content": "Hello"}]})).text
    assert "services_unavailable" not in text
