"""The settings that `doctor` names for a failing service come from its declaration."""

import pytest

from agent.commands.doctor.causes import Origin, origin_of
from agent.settings.settings import read_settings
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, ServiceError
from tools.error_codes import ToolCode

FILE = 'services.maps = { type = "mcp", url = "https://maps.example/mcp", api_key = "k" }'
FAILED = ServiceError(ToolCode.SERVICE_FAILED, "x")


@pytest.fixture
def settings(sandbox, tmp_path):
    (tmp_path / "services.toml").write_text(FILE)
    return read_settings(sandbox.environment | {"SERVICES_FILE": str(tmp_path / "services.toml")})


def test_service_of_the_variables_is_named_by_its_variables(settings):
    found = origin_of(settings, [], "enterprise", FAILED)
    url = settings.enterprise_service_url
    assert found == Origin(url, "ENTERPRISE_SERVICE_URL", "ENTERPRISE_SERVICE_SCOPE")


def test_service_of_the_file_is_named_by_the_members_of_its_entry(settings):
    url, key = "services.maps.url in SERVICES_FILE", "services.maps.api_key in SERVICES_FILE"
    assert origin_of(settings, [], "maps", FAILED) == Origin("https://maps.example/mcp", url, key)


def test_error_that_is_not_about_an_address_has_no_url(settings):
    error = CredentialError(IdentityCode.SERVICE_KEY_UNAVAILABLE, "x")
    assert origin_of(settings, [], "maps", error).url == ""


def test_service_of_a_package_has_no_url(settings):
    assert origin_of(settings, [], "travel", FAILED).url == ""
