"""Secrets and keys in files: two are tried when one is refused, and a new file needs no restart."""

from pathlib import Path
from typing import Any

import pytest

from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError, CredentialError
from sandbox.authn_method import AuthnMethod

ENTERPRISE = "https://enterprise.sandbox.example|service.invoke"
WRONG = "wrong-canary-0123456789abcdefghijklmnop"
BY_SECRET = [AuthnMethod.CLIENT_SECRET_POST, AuthnMethod.CLIENT_SECRET_BASIC, AuthnMethod.CLIENT_SECRET_JWT]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mounted-secret"


def client(agent_of: Any, method: AuthnMethod, path: Path) -> Any:
    if method in BY_SECRET:
        return agent_of.client(method, IDAAS_CLIENT_SECRET=None, IDAAS_CLIENT_SECRET_FILE=str(path))
    return agent_of.client(method, ENV_PRIVATE_KEY=None, ENV_PRIVATE_KEY_FILE=str(path))


@pytest.mark.parametrize("method", BY_SECRET)
async def test_a_refused_secret_tries_the_other_once_and_keeps_it(agent_of, sandbox, path, count, method):
    path.write_text(f"{WRONG}\n{sandbox.cloud.secrets.agent_client_secret}\n")
    idaas = client(agent_of, method, path)
    await idaas.token(ENTERPRISE)
    refused = [event for event in sandbox.cloud.events.snapshot() if event.error == "invalid_client"]
    await idaas.token(ENTERPRISE)
    again = [event for event in sandbox.cloud.events.snapshot() if event.error == "invalid_client"]
    assert len(refused) == len(again) == 1


async def test_a_changed_file_is_used_after_a_refusal(agent_of: Any, sandbox: Any, path: Any) -> None:
    path.write_text(WRONG)
    idaas = client(agent_of, AuthnMethod.CLIENT_SECRET_POST, path)
    with pytest.raises(CredentialError) as caught:
        await idaas.token(ENTERPRISE)
    assert caught.value.code is IdentityCode.CLIENT_AUTHENTICATION_FAILED
    assert WRONG not in caught.value.detail
    path.write_text(sandbox.cloud.secrets.agent_client_secret)
    await idaas.token(ENTERPRISE)


@pytest.mark.parametrize("method", [AuthnMethod.PRIVATE_KEY_JWT, AuthnMethod.PCA])
async def test_a_key_in_a_file_is_used(agent_of: Any, sandbox: Any, path: Any, method: AuthnMethod) -> None:
    cloud = sandbox.cloud
    key = cloud.federation.keys.agent_key if method is AuthnMethod.PCA else cloud.secrets.agent_private_key
    path.write_text(key)
    await client(agent_of, method, path).token(ENTERPRISE)


async def test_a_second_key_is_tried_after_the_first_is_refused(agent_of, sandbox, path):
    foreign, own = sandbox.cloud.federation.keys.agent_key, sandbox.cloud.secrets.agent_private_key
    path.write_text(f"{foreign.strip()}\n{own}")
    await client(agent_of, AuthnMethod.PRIVATE_KEY_JWT, path).token(ENTERPRISE)


async def test_a_secret_in_both_places_is_a_fault(agent_of: Any, path: Any) -> None:
    path.write_text("any-secret")
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(AuthnMethod.CLIENT_SECRET_POST, IDAAS_CLIENT_SECRET_FILE=str(path))
    assert "is set beside IDAAS_CLIENT_SECRET_FILE" in caught.value.detail


@pytest.mark.parametrize("name", ["IDAAS_CLIENT_SECRET_FILE", "ENV_PRIVATE_KEY_FILE"])
async def test_a_file_that_is_not_there_is_a_fault_by_the_variables_name(agent_of, path, name):
    method = AuthnMethod.PRIVATE_KEY_JWT if "KEY" in name else AuthnMethod.CLIENT_SECRET_POST
    empty = {"IDAAS_CLIENT_SECRET": None, "ENV_PRIVATE_KEY": None}
    with pytest.raises(ConfigurationError) as caught:
        agent_of.settings(method, **empty, **{name: str(path)})
    assert f"{name} names a file that cannot be read: no such file" in caught.value.detail
