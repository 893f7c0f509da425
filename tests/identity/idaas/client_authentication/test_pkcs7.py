"""PKCS7: a document about the machine, requested when it is needed and never presented for long."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from identity.error_codes import IdentityCode
from identity.errors import CredentialError, UnreachableError
from identity.idaas.client_authentication.pkcs7 import Pkcs7
from sandbox.authn_method import AuthnMethod
from tests.recorder import Recorder

ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
DOCUMENTS = "ecs_metadata:pkcs7"


@pytest.fixture
def idaas(agent_of: Any, sandbox: Any) -> Any:
    client = agent_of.client(AuthnMethod.PKCS7)
    authentication = client.configuration.client_authentication
    assert isinstance(authentication, Pkcs7)
    authentication.clock = sandbox.clock
    return client


async def test_a_document_is_presented_for_a_minute(idaas: Any, sandbox: Any, count: Any) -> None:
    await idaas.token(ENTERPRISE)
    sandbox.clock.advance(59)
    await idaas.token(ENTERPRISE)
    assert count(DOCUMENTS) == 1
    sandbox.clock.advance(1)
    await idaas.token(ENTERPRISE)
    assert count(DOCUMENTS) == 2


async def test_a_refused_document_that_was_presented_before_is_replaced_once(idaas, sandbox, count):
    await idaas.token(ENTERPRISE)
    sandbox.cloud.settings.instance_document_lifetime = 10
    sandbox.clock.advance(30)
    await idaas.token(ENTERPRISE)
    assert count(DOCUMENTS) == 2


async def test_a_fresh_document_that_is_refused_is_not_requested_again(agent_of: Any, count: Any) -> None:
    idaas = agent_of.client(AuthnMethod.PKCS7, root={"idaasInstanceId": "idaas_another"})
    with pytest.raises(CredentialError) as caught:
        await idaas.token(ENTERPRISE)
    assert caught.value.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED
    assert count(DOCUMENTS) == 1


@pytest.mark.parametrize("fault", ["status", "not served"])
async def test_a_metadata_service_without_a_document_is_temporary(agent_of, serve, fault):
    def portal(_: Request) -> Response:
        return Response("<html>sign in</html>") if fault == "not served" else Response(status_code=404)

    idaas = agent_of.client(AuthnMethod.PKCS7, ECS_METADATA_ENDPOINT=await serve(Recorder(portal)))
    with pytest.raises(UnreachableError) as caught:
        await idaas.token(ENTERPRISE)
    assert caught.value.code is IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE
    assert "metadata service" in caught.value.detail
