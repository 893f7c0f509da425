"""Makes the services that a file declares."""

import pytest

from agent.composition.services import services
from agent.settings.settings import read_settings

PAYROLL = '''
def service(payroll, settings):
    @payroll.tool
    async def payslip(http, month: str) -> str:
        """Gets a payslip."""
        return settings["currency"]
'''


@pytest.fixture
def made_of_variables(sandbox, tmp_path):
    """Makes the services of the variables and of a file."""

    def make(text: str, installed=()):
        (tmp_path / "services.toml").write_text(text)
        (tmp_path / "payroll.py").write_text(PAYROLL)
        file = str(tmp_path / "services.toml")
        settings = read_settings(sandbox.environment | {"SERVICES_FILE": file})
        return services(settings, sandbox.ssl_context, installed)

    return make


@pytest.fixture
def made(made_of_variables):
    """Makes the services of a file, without those of the variables."""
    return lambda text, installed=(): made_of_variables(text, installed)[3:]
