"""Connections of the services of a file are closed with the identity, and opened anew with it."""

from pathlib import Path

from idaas_agent import Identity

SERVICES = """
[services.leave]
type = "http"
url = "https://leave.example.com"
access_token = "https://leave.example.com|leave.read"
access_identity = "Human"
python = "closing.py:service"
"""
CODE = '''
def service(leave, settings):
    @leave.tool
    async def balance(http):
        """The balance."""
        return (await http.get()).text
'''


async def test_service_of_a_file_is_closed_with_the_identity(variables, sandbox, tmp_path: Path):
    (tmp_path / "services.toml").write_text(SERVICES)
    (tmp_path / "closing.py").write_text(CODE)
    identity = Identity.from_env(variables, clock=sandbox.clock)
    (tool,) = await identity.tools(tmp_path / "services.toml")
    calls = await tool._governed.source.calls()
    (service,) = calls.services
    assert not service._http.is_closed
    await identity.aclose()
    assert service._http.is_closed
    assert (await tool._governed.source.calls()) is not calls
    await identity.aclose()
