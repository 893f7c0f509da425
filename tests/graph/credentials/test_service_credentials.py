"""A credential of the state is used only for its requirement and its user."""

from typing import Any

import pytest

from graph.credentials.run_credentials import RunCredentials, UnavailableCredential
from graph.credentials.service_credentials import ServiceCredentials, ServiceRequirement, requirements
from identity.credentials.requirement import AccessTokenRequirement, ApiKeyRequirement, Credential
from identity.error_codes import IdentityCode
from identity.errors import CredentialError, UnreachableError
from identity.principal import AccessIdentity, Principal
from identity.secrets.secret import Secret
from tests.graph.bench import bench
from tests.graph.echo_service import EchoService

REQUIRED = ApiKeyRequirement("key")
HUMAN, MACHINE = AccessIdentity.HUMAN, AccessIdentity.MACHINE
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")


@pytest.fixture
def vault():
    return bench([]).vault


@pytest.fixture
def verifier():
    return bench([]).tokens


async def used(vault, verifier, access_identity, cached):
    """The secret of alice's credential while the state contains `cached`."""
    caller = await verifier.verify(Secret("alice-1"))
    accesses = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, access_identity)}, vault, lambda: 0.0)
    access = accesses.of(caller, "amap", {"credentials": RunCredentials({"amap": cached})})
    return (await access.credential()).secret.reveal()


@pytest.mark.parametrize(
    ("access_identity", "identity_in_state", "holder", "reused"),
    [
        (HUMAN, HUMAN, ALICE, True),
        (HUMAN, HUMAN, BOB, False),
        (HUMAN, MACHINE, None, False),
        (HUMAN, MACHINE, ALICE, False),
        (MACHINE, MACHINE, None, True),
        (MACHINE, HUMAN, ALICE, False),
    ],
)
@pytest.mark.promise("users-never-cross", "human-stays-human")
async def test_credential_of_the_state_is_used_only_for_its_principal(
    vault: Any,
    verifier: Any,
    access_identity: AccessIdentity,
    identity_in_state: Any,
    holder: Any,
    reused: Any,
) -> None:
    cached = Credential(REQUIRED, identity_in_state, Secret("of-the-state"), 1000.0, holder)
    assert (await used(vault, verifier, access_identity, cached) == "of-the-state") is reused


async def test_expiring_credential_or_one_of_another_requirement_is_obtained_again(
    vault: Any, verifier: Any
) -> None:
    ending = Credential(REQUIRED, MACHINE, Secret("of-the-state"), 29.0)
    other = Credential(ApiKeyRequirement("other"), MACHINE, Secret("of-the-state"), 1000.0)
    assert await used(vault, verifier, MACHINE, ending) == "key-of-machine-0"
    assert await used(vault, verifier, MACHINE, other) == "key-of-machine-0"


@pytest.mark.parametrize("llm_api_key", [REQUIRED, Secret("static")])
def test_requirements_are_by_node_and_have_the_default_identity(llm_api_key: Any) -> None:
    found = requirements(
        [
            EchoService("amap", REQUIRED),
            EchoService("leave", REQUIRED, access_identity=HUMAN),
            EchoService("greeter"),
        ],
        MACHINE,
        llm_api_key,
    )
    of_model = {"model": ServiceRequirement(REQUIRED, MACHINE)} if llm_api_key is REQUIRED else {}
    services = {"amap": ServiceRequirement(REQUIRED, MACHINE), "leave": ServiceRequirement(REQUIRED, HUMAN)}
    assert found == of_model | services
    assert list(found) == [*of_model, *services]


async def test_machine_credential_needs_no_caller(vault: Any) -> None:
    credentials = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, MACHINE)}, vault, lambda: 0.0)
    assert (await credentials.of(None, "amap").credential()).secret.reveal() == "key-of-machine-0"


@pytest.mark.promise("human-stays-human")
async def test_wider_credential_is_the_users_and_not_kept_for_the_service(vault: Any, verifier: Any) -> None:
    caller = await verifier.verify(Secret("alice-1"))
    required = ServiceRequirement(AccessTokenRequirement("maps|read"), HUMAN)
    access = ServiceCredentials({"maps": required}, vault, lambda: 0.0).of(caller, "maps")
    before = await access.credential()
    wider = access.stepped_up(AccessTokenRequirement("maps|read maps|write"))
    refused = await wider.credential()
    await wider.renew(refused)
    assert vault.obtained == [("maps|read", "alice"), *[("maps|read maps|write", "alice")] * 2]
    assert access.renewed is before
    assert await access.credential() is before


@pytest.mark.parametrize("identity", [HUMAN, MACHINE])
async def test_equal_credential_is_not_tried_again_under_either_identity(
    vault: Any, verifier: Any, identity: AccessIdentity
) -> None:
    caller = await verifier.verify(Secret("alice-1"))
    source = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, identity)}, vault, lambda: 0.0)
    vault.secret = "one-key"
    access = source.of(caller, "amap")
    refused = await access.credential()
    vault.lifetime += 5
    assert await access.renew(refused) is refused
    vault.secret = "another-key"
    fresh = await access.renew(refused)
    assert fresh.secret == Secret("another-key")
    assert await access.renew(refused) is fresh  # of a concurrent call


async def test_refused_credential_is_not_kept_for_the_next_call_if_there_is_no_other(
    vault: Any, verifier: Any
) -> None:
    caller = await verifier.verify(Secret("alice-1"))
    source = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, HUMAN)}, vault, lambda: 0.0)
    access = source.of(caller, "amap")
    refused = await access.credential()
    vault.failures["key"] = CredentialError(IdentityCode.SERVICE_CREDENTIAL_UNAVAILABLE, "withdrawn")
    with pytest.raises(CredentialError):
        await access.renew(refused)
    update = access.update
    assert update is not None
    assert (access.known(), update.get("amap")) == (None, None)


async def test_source_that_is_unreachable_at_a_renewal_is_not_asked_again_by_the_next_nodes_of_the_run(
    vault: Any, verifier: Any
) -> None:
    caller = await verifier.verify(Secret("alice-1"))
    source = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, HUMAN)}, vault, lambda: 0.0)
    access = source.of(caller, "amap")
    refused = await access.credential()
    vault.failures["key"] = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "no response")
    with pytest.raises(UnreachableError):
        await access.renew(refused)
    update, requests = access.update, len(vault.obtained)
    assert update is not None
    following = source.of(caller, "amap", {"credentials": update})
    assert isinstance(following.known(), UnavailableCredential)
    with pytest.raises(UnreachableError, match="no response"):
        await following.credential()
    assert len(vault.obtained) == requests


async def test_call_that_a_middleware_repeats_obtains_its_credential_although_the_source_was_unreachable(
    vault: Any, verifier: Any
) -> None:
    caller = await verifier.verify(Secret("alice-1"))
    source = ServiceCredentials({"amap": ServiceRequirement(REQUIRED, HUMAN)}, vault, lambda: 0.0)
    access = source.of(caller, "amap")
    vault.failures["key"] = UnreachableError(IdentityCode.IDAAS_UNREACHABLE, "no response")
    with pytest.raises(UnreachableError):
        await access.credential()
    vault.failures.clear()
    repeated = await access.credential()
    assert access.update is not None
    assert access.update.get("amap") is repeated
