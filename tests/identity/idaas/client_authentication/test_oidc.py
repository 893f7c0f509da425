"""OIDC: the token of another issuer, read from its file for each request."""

from pathlib import Path
from typing import Any

import pytest

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError, UnreachableError
from sandbox.authn_method import AuthnMethod

ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
VARIABLE = "ALIBABA_CLOUD_OIDC_TOKEN_FILE"


def token(sandbox: Any, **options: Any) -> str:
    from sandbox.federation.id_token import IDAAS_AUDIENCE

    text: str = sandbox.cloud.federation.id_token(IDAAS_AUDIENCE, **options)
    return text


async def test_a_newline_after_the_token_is_not_sent(agent_of: Any, sandbox: Any, tmp_path: Path) -> None:
    sandbox.cloud.settings.workload_token_newline = False
    path = tmp_path / "token"
    path.write_text(token(sandbox) + "\n")
    await agent_of.client(AuthnMethod.OIDC, **{VARIABLE: str(path)}).token(ENTERPRISE)


async def test_a_replaced_token_is_presented_by_the_next_request(agent_of, sandbox, tmp_path):
    path = tmp_path / "token"
    path.write_text(token(sandbox, aud="https://kubernetes.default.svc"))
    idaas = agent_of.client(AuthnMethod.OIDC, **{VARIABLE: str(path)})
    with pytest.raises(Exception, match="client_authentication_failed"):
        await idaas.token(ENTERPRISE)
    path.write_text(token(sandbox))
    await idaas.token(ENTERPRISE)


@pytest.mark.parametrize("fault", ["expires", "absent", "empty"])
async def test_a_token_that_cannot_be_presented_is_temporary_and_is_not_sent(
    agent_of: Any, sandbox: Any, tmp_path: Path, count: Any, fault: str
) -> None:
    path = tmp_path / "token"
    path.write_text(token(sandbox))
    idaas = agent_of.client(AuthnMethod.OIDC, **{VARIABLE: str(path)})
    if fault == "absent":
        path.unlink()
    else:
        path.write_text("" if fault == "empty" else token(sandbox, lifetime=30))
    with pytest.raises(UnreachableError) as caught:
        await idaas.token(ENTERPRISE)
    assert caught.value.code is IdentityCode.CLIENT_CREDENTIAL_UNAVAILABLE
    assert str(path) in caught.value.detail
    assert count("idaas:token.client_credentials") == 0


async def test_the_path_in_the_configuration_wins_over_the_variable(agent_of, sandbox, tmp_path):
    path = tmp_path / "token"
    path.write_text(token(sandbox))
    variables = {VARIABLE: "/nowhere"}
    idaas = agent_of.client(AuthnMethod.OIDC, authn={"oidcTokenFilePath": str(path)}, **variables)
    await idaas.token(ENTERPRISE)


async def test_a_token_that_is_no_jwt_is_sent_as_it_is(agent_of: Any, tmp_path: Path, count: Any) -> None:
    path = tmp_path / "token"
    path.write_text("opaque-token")
    idaas = agent_of.client(AuthnMethod.OIDC, **{VARIABLE: str(path)})
    with pytest.raises(Exception, match="client_authentication_failed"):
        await idaas.token(ENTERPRISE)


@pytest.mark.parametrize("member", ["oidcTokenFilePath", "oidcTokenFilePathEnvVarName"])
async def test_a_missing_file_at_the_start_is_a_fault_of_the_member(agent_of: Any, member: str) -> None:
    authn = {"oidcTokenFilePath": "/nowhere"} if member == "oidcTokenFilePath" else {}
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(AuthnMethod.OIDC, authn=authn, **{VARIABLE: "/nowhere"})
    (fault,) = caught.value.faults
    assert f'member "authnConfiguration.{member}" leads to file "/nowhere", which cannot be read' in fault
