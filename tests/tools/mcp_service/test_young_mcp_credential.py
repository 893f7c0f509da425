"""A credential that is too new is not renewed: its first refusal is final."""

import pytest

from tests.tools.mcp_service.mcp_server import Server
from tests.tools.service_failure import failure_of


@pytest.mark.parametrize("status", [401, 403])
async def test_session_refused_for_a_young_credential_is_not_opened_again(
    serve, service_at, young_access, status
):
    server = Server()
    server.refusal = status
    service, access = service_at(await serve(server)), young_access("K0")
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert (error.status, server.counts["initialize"], len(access.renewals)) == (status, 1, 1)
