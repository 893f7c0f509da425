"""A temporary role credential: cached, replaced ahead of its end, and kept while its source is away."""

import json
from typing import Any

import pytest

from identity.errors import UnreachableError
from identity.idaas.client_authentication.method import unavailable
from identity.idaas.client_authentication.role_credential import (
    RenewedCredential,
    RoleCredential,
    read_role_credential,
    role_credential,
)
from identity.idaas.client_authentication.role_sources import EcsRole

LIFETIME = 3600.0
MEMBERS = {
    "Code": "Success",
    "AccessKeyId": "STS.canary",
    "AccessKeySecret": "canary-secret",
    "SecurityToken": "canary-token",
    "Expiration": "2026-11-25T13:00:00Z",
}


class Source:
    """Issues a numbered credential for each fetch; away while `fails`."""

    def __init__(self, clock: Any) -> None:
        self.clock, self.fetches, self.fails = clock, 0, False

    async def __call__(self) -> RoleCredential:
        if self.fails:
            raise unavailable("away")
        self.fetches += 1
        end = self.clock() + LIFETIME
        return role_credential(f"STS.{self.fetches}", "secret", "token", provider="test", expires_at=end)


@pytest.fixture
def source(clock: Any) -> Source:
    return Source(clock)


async def test_it_is_fetched_again_five_minutes_before_its_end(source: Source, clock: Any) -> None:
    role = RenewedCredential(source, clock=clock)
    assert [(await role.current()).access_key_id for _ in range(2)] == ["STS.1", "STS.1"]
    clock.advance(LIFETIME - 301)
    assert (await role.current()).access_key_id == "STS.1"
    clock.advance(1)
    assert (await role.current()).access_key_id == "STS.2"


async def test_it_stays_in_use_until_its_end_while_the_source_is_away(source: Source, clock: Any) -> None:
    role = RenewedCredential(source, clock=clock)
    await role.current()
    source.fails = True
    clock.advance(LIFETIME - 1)
    assert (await role.current()).access_key_id == "STS.1"
    clock.advance(1)
    with pytest.raises(UnreachableError):
        await role.current()


async def test_a_refused_credential_is_fetched_again(source: Source, clock: Any) -> None:
    role = RenewedCredential(source, clock=clock)
    assert await role.renew(await role.current())
    assert source.fetches == 2


def test_the_platforms_form_is_read_and_prints_no_secret() -> None:
    credential = read_role_credential(MEMBERS, provider="test")
    assert credential.expires_at == 1_795_611_600
    assert credential.access_key_secret.reveal() == "canary-secret"
    assert "canary-" not in repr(credential)
    assert credential.name == "STS.cana…"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("Code", "Failed"),
        ("AccessKeyId", None),
        ("AccessKeyId", "with space"),
        ("AccessKeySecret", ""),
        ("SecurityToken", None),
        ("SecurityToken", "a\r\nb"),
        ("Expiration", None),
        ("Expiration", "tomorrow"),
    ],
)
def test_a_form_that_cannot_be_used_is_a_fault_without_its_values(member: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(must|has)") as caught:
        read_role_credential({**MEMBERS, member: value}, provider="test")
    assert "canary" not in str(caught.value)


class Metadata:
    """An instance's metadata by path."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    async def read(self, path: str) -> str:
        return self.texts[path.removeprefix("/latest/meta-data/ram/security-credentials/") or "name"]


async def test_the_instances_own_role_is_used_unless_one_is_named() -> None:
    metadata = Metadata(name="role-a\n", **{"role-a": json.dumps(MEMBERS), "role-b": json.dumps(MEMBERS)})
    for named in ("", "role-b"):
        assert (await EcsRole(metadata, named)()).provider == "default/ecs_ram_role"


@pytest.mark.parametrize("name", ["../token", "<html>", "a b"])
async def test_a_name_that_is_no_role_is_not_requested(name: str) -> None:
    with pytest.raises(UnreachableError, match="client_credential_unavailable"):
        await EcsRole(Metadata(name=name))()
