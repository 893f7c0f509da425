"""The agent card: what a client reads before it has an access token."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.types import a2a_pb2 as a2a
from google.protobuf.json_format import ParseDict

from agent.settings.settings import Settings, read_settings
from plugins.a2a.agent_card import SCHEME, agent_card
from sandbox.state.directory import AGENT_AUDIENCE
from tests.suite import Sandbox

BASE = "https://agent.example.com/base/"
SERVICE = """
[services.payroll]
type = "http"
url = "https://payroll.internal.example"
python = "payroll:service"
"""


@pytest.fixture
def settings(sandbox: Sandbox) -> Settings:
    return read_settings(sandbox.environment)


def test_card_is_one_of_the_official_models(settings: Settings) -> None:
    card = parse_agent_card(agent_card(settings, BASE))

    assert card.capabilities.streaming
    assert not card.capabilities.push_notifications
    assert not card.capabilities.extended_agent_card
    assert [each.protocol_version for each in card.supported_interfaces] == ["1.0", "0.3"]
    assert {(each.url, each.protocol_binding) for each in card.supported_interfaces} == {
        ("https://agent.example.com/base/a2a", "JSONRPC")
    }
    assert card.version
    assert card.security_schemes[SCHEME].open_id_connect_security_scheme.open_id_connect_url


def test_members_of_the_card_are_those_of_1_0_and_0_3(settings: Settings) -> None:
    card = agent_card(settings, BASE)
    for name in ("url", "preferredTransport", "protocolVersion", "security"):
        del card[name]
    for name in ("type", "openIdConnectUrl"):
        del card["securitySchemes"][SCHEME][name]
    ParseDict(card, a2a.AgentCard())  # refuses unknown members


def test_scheme_is_the_issuer_and_the_scope_of_access_tokens(settings: Settings) -> None:
    card = agent_card(settings, BASE)
    [(name, scheme)] = card["securitySchemes"].items()

    assert name == SCHEME
    url = scheme["openIdConnectSecurityScheme"]["openIdConnectUrl"]
    assert url == f"{settings.idaas.issuer}/.well-known/openid-configuration"
    assert card["securityRequirements"] == [
        {"schemes": {SCHEME: {"list": [f"{AGENT_AUDIENCE}|agent.access"]}}}
    ]


async def test_discovery_document_of_the_scheme_exists(settings: Settings, sandbox: Sandbox) -> None:
    scheme = agent_card(settings, BASE)["securitySchemes"][SCHEME]
    async with httpx.AsyncClient(verify=sandbox.ssl_context, trust_env=False) as http:
        found = await http.get(scheme["openIdConnectSecurityScheme"]["openIdConnectUrl"])
    assert found.json()["issuer"] == settings.idaas.issuer


def test_services_of_an_operator_are_not_named(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "services.toml"
    file.write_text(SERVICE)
    settings = read_settings(sandbox.environment | {"SERVICES_FILE": str(file)})
    card = agent_card(settings, BASE)

    assert [skill["id"] for skill in card["skills"]] == ["conversation", "amap", "enterprise", "leave"]
    assert "payroll" in settings.services
    assert "payroll" not in json.dumps(card)


def test_services_that_are_not_configured_are_no_skills(sandbox: Sandbox) -> None:
    without: dict[str, Any] = {
        name: value for name, value in sandbox.environment.items() if not name.startswith("LEAVE_SERVICE")
    }
    card = agent_card(read_settings(without), BASE)
    assert "leave" not in [skill["id"] for skill in card["skills"]]
