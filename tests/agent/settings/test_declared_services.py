"""The tutorial's services are declared as those of SERVICES_FILE are, and keep the tutorial's error codes."""

import ssl

import pytest

from agent.composition.extensions import services
from agent.settings.declared_services import declared_services
from agent.settings.service_declarations import HTTPDeclaration, MCPDeclaration
from agent.settings.settings import read_settings
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement
from identity.error_codes import IdentityCode
from identity.principal import AccessIdentity
from tools.error_codes import ToolCode


@pytest.fixture
def variables(sandbox):
    return {name: value for name, value in sandbox.environment.items() if not name.startswith("LEAVE_")}


def test_variables_declare_the_services_of_the_tutorial(variables):
    amap, enterprise = declared_services(read_settings(variables))
    assert (amap.name, enterprise.name) == ("amap", "enterprise")
    assert isinstance(amap.declaration, MCPDeclaration)
    assert isinstance(enterprise.declaration, HTTPDeclaration)
    assert amap.declaration.url == variables["EXTERNAL_SERVER_URL"]
    assert enterprise.declaration.access_token == variables["ENTERPRISE_SERVICE_SCOPE"]


def test_leave_service_is_declared_if_its_variables_are_set(sandbox):
    leave = declared_services(read_settings(sandbox.environment))[2]
    assert (leave.name, leave.declaration.access_identity) == ("leave", AccessIdentity.HUMAN)


async def test_services_of_the_tutorial_keep_their_error_codes(variables):
    amap, enterprise = services(read_settings(variables), ssl.create_default_context(), installed=())
    assert (amap.error_code, enterprise.error_code) == (
        ToolCode.EXTERNAL_SERVICE_FAILED,
        ToolCode.ENTERPRISE_SERVICE_FAILED,
    )
    assert isinstance(amap.credential, ApiKeyRequirement)
    assert amap.credential.error_code is ToolCode.EXTERNAL_API_KEY_UNAVAILABLE
    assert amap.settings == ("EXTERNAL_SERVER_URL", "EXTERNAL_SERVER_API_KEY_IDENTIFIER")
    assert enterprise.credential == AccessTokenRequirement(variables["ENTERPRISE_SERVICE_SCOPE"])
    for service in (amap, enterprise):
        await service.aclose()


def test_service_of_the_file_has_the_codes_of_added_services_and_names_its_entry(sandbox, tmp_path):
    file = tmp_path / "services.toml"
    file.write_text('services.maps = { type = "mcp", url = "https://maps.example/mcp", api_key = "k" }')
    declared = declared_services(read_settings(sandbox.environment | {"SERVICES_FILE": str(file)}))[-1]
    assert (declared.name, declared.settings) == ("maps", ("services.maps in SERVICES_FILE",))
    assert (declared.error_code, declared.key_error_code) == (
        ToolCode.SERVICE_FAILED,
        IdentityCode.SERVICE_KEY_UNAVAILABLE,
    )
