"""A credential that was obtained a moment ago is not renewed: its refusal stands after one request."""

import pytest
from starlette.responses import Response

from identity.credentials.credential import Credential
from tests.tools.http_service import http_recorder
from tests.tools.http_service.http_recorder import Recorder
from tests.tools.mcp_service import mcp_server
from tests.tools.mcp_service.mcp_server import Server
from tests.tools.service_failure import failure_of

http_service_at, mcp_service_at = http_recorder.service_at, mcp_server.service_at


@pytest.fixture
def young(key_ring):
    """An access whose credential is too young to be renewed."""

    class Young(key_ring):
        async def renew(self, refused: Credential) -> Credential:
            self.renewals.append(refused)
            return refused

    return Young


@pytest.mark.parametrize("status", [401, 403])
async def test_an_http_request_is_not_sent_again(serve, http_service_at, young, status):
    recorder = Recorder(lambda _: Response("out", status))
    service, access = http_service_at(await serve(recorder.app)), young("K1")
    error = await failure_of(service.call("get", {}, access))
    assert (error.status, len(recorder.requests), len(access.renewals)) == (status, 1, 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_an_mcp_session_is_not_opened_again(serve, mcp_service_at, young, status):
    server = Server()
    server.refusal = status
    service, access = mcp_service_at(await serve(server)), young("K0")
    error = await failure_of(service.call("weather", {"city": "x"}, access))
    assert (error.status, server.counts["initialize"], len(access.renewals)) == (status, 1, 1)
