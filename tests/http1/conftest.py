"""Shared by the tests of the transport: both libraries, a server that a test plays, and certificates."""

import httpx
import httpx2
import pytest

from sandbox.certificates import kept_certificates
from tests.http1.raw_server import RawServer


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request):
    return request.param


@pytest.fixture
async def server():
    async with RawServer() as running:
        yield running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return kept_certificates(tmp_path_factory.mktemp("certificates"))
