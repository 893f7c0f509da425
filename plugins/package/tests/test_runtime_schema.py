"""Deployment descriptions are checked against closed lists: what the platform would ignore is a fault."""

import copy
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest

from plugins.package.agentrun import AgentRunOptions, runtime_document
from plugins.package.enterprise_service import FunctionOptions
from plugins.package.parts import document_faults, document_of

KEY = {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", "e": "AQAB", "n": "xyz"}
FUNCTION = document_of(
    "fc3",
    {
        **asdict(FunctionOptions()),
        **dict.fromkeys(("issuer", "audience", "permission"), "text"),
        "runtime": "custom.debian11",
        "interpreter": "python3",
        "jwks": {"keys": [KEY]},
    },
)


def agentrun() -> dict[str, Any]:
    return runtime_document(AgentRunOptions(), {"ACCESS_IDENTITY": "Machine"})


def agent_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["resources"]["agent"]["props"]["agent"]
    return found


def function_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["resources"]["service"]["props"]
    return found


def trigger_of(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = function_of(document)["triggers"][0]["triggerConfig"]
    return found


def test_generated_description_has_no_fault() -> None:
    assert document_faults(agentrun(), "agentrun") == []
    assert document_faults(FUNCTION, "fc3") == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda a: a.update(enviromentVariables={}),
            "agent: Additional properties are not allowed ('enviromentVariables'",
        ),
        (
            lambda a: a.update(environmentVariables={"PORT": 9002}),
            "environmentVariables.PORT: must be a text",
        ),
        (lambda a: a.update(environmentVariables={"ON": True}), "environmentVariables.ON: must be a text"),
        (
            lambda a: a["code"].update(language="python3.11"),
            "agent.code.language: 'python3.11' is not one of",
        ),
        (lambda a: a.pop("cpu"), "agent: 'cpu' is a required property"),
        (lambda a: a.update(memory=2000), "2000 is not a multiple of 64"),
        (lambda a: a.update(diskSize=1024), "agent.diskSize: 1024 is not one of [512, 10240]"),
        (lambda a: a.update(instanceConcurrency=201), "201 is greater than the maximum of 200"),
        (
            lambda a: a["healthCheckConfiguration"].update(initialDelaySeconds=0),
            "0 is less than the minimum of 1",
        ),
        (lambda a: a["healthCheckConfiguration"].update(path="/health"), "not allowed ('path'"),
        (lambda a: a.update(role="a role"), "agent.role: 'a role' does not match"),
        (lambda a: a.update(name="1agent"), "agent.name: '1agent' does not match"),
        (lambda a: a.update(endpoints=[]), "endpoints: [] should be non-empty"),
    ],
)
def test_fault_of_an_agent_runtime_is_reported(
    change: Callable[[dict[str, Any]], object], fault: str
) -> None:
    document = agentrun()
    change(agent_of(document))
    (found,) = document_faults(document, "agentrun")
    assert fault in found


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: trigger_of(d).update(authType="anonymous"), "authType: 'jwt' was expected"),
        (lambda d: trigger_of(d)["authConfig"].update(whiteList=["/a"]), "not allowed ('whiteList'"),
        (lambda d: trigger_of(d)["authConfig"].pop("tokenLookup"), "'tokenLookup' is a required property"),
        (lambda d: trigger_of(d)["authConfig"].update(jwks={"keys": []}), "keys: [] should be non-empty"),
        (lambda d: trigger_of(d)["authConfig"]["jwks"]["keys"][0].update(d="private"), "not allowed ('d'"),
        (lambda d: trigger_of(d).update(methods=["get"]), "methods[0]: 'get' is not one of"),
        (lambda d: function_of(d).pop("timeout"), "'timeout' is a required property"),
        (lambda d: function_of(d).update(runtime="python3.12"), "runtime: 'python3.12' is not one of"),
        (lambda d: function_of(d).update(region="mars"), "region: must be a region"),
    ],
)
def test_fault_of_a_function_is_reported(change: Callable[[dict[str, Any]], object], fault: str) -> None:
    document = copy.deepcopy(FUNCTION)
    change(document)
    (found,) = document_faults(document, "fc3")
    assert fault in found


def test_all_faults_are_reported_at_once() -> None:
    document = agentrun()
    agent_of(document).update(cpu=0, port=0, timeout=1)
    assert len(document_faults(document, "agentrun")) == 3


@pytest.mark.parametrize("document", [None, [], "text", {}, {"resources": {"agent": 1}}])
def test_document_of_another_form_is_a_fault_and_no_exception(document: object) -> None:
    assert document_faults(document, "agentrun")
    assert document_faults(document, "fc3")
