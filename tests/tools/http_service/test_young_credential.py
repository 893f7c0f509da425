"""A credential that is too new is not renewed: its first refusal is final."""

import pytest
from starlette.responses import Response

from tests.recorder import Recorder
from tests.tools.service_failure import failure_of


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_request_with_a_young_credential_is_not_sent_again(
    serve, service_at, young_access, status
):
    recorder = Recorder(lambda _: Response("out", status))
    service, access = service_at(await serve(recorder)), young_access("K1")
    error = await failure_of(service.call("get", {}, access))
    assert (error.status, len(recorder.requests), len(access.renewals)) == (status, 1, 1)
