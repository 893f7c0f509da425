"""A credential of the state is used for its own need and its own user alone."""

import pytest

from graph.run_credentials import RunCredentials
from graph.service_credentials import ServiceCredentials, ServiceRequirement, requirements
from identity.access_identity import AccessIdentity
from identity.credentials.credential import Credential
from identity.credentials.requirement import ApiKeyRequirement
from identity.principal import Principal
from identity.secret import Secret

NEED = ApiKeyRequirement("key")
HUMAN, MACHINE = AccessIdentity.HUMAN, AccessIdentity.MACHINE
ALICE, BOB = Principal("https://idaas.example", "alice"), Principal("https://idaas.example", "bob")


@pytest.fixture
def vault(bench):
    return bench([]).vault


@pytest.fixture
def verifier(bench):
    return bench([]).tokens


async def used(vault, verifier, access_identity, cached):
    """The secret that alice's access hands out while the state holds `cached`."""
    caller = await verifier.verify(Secret("alice-1"))
    accesses = ServiceCredentials({"amap": ServiceRequirement(NEED, access_identity)}, vault, lambda: 0.0)
    access = accesses.of(caller, "amap", {"credentials": RunCredentials({"amap": cached})})
    return (await access.credential()).secret.reveal()


@pytest.mark.parametrize(
    ("access_identity", "held_identity", "holder", "reused"),
    [
        (HUMAN, HUMAN, ALICE, True),
        (HUMAN, HUMAN, BOB, False),
        (HUMAN, MACHINE, None, False),
        (MACHINE, MACHINE, None, True),
        (MACHINE, HUMAN, ALICE, False),
    ],
)
@pytest.mark.promise("users-never-cross")
async def test_a_held_credential_is_used_only_by_whom_it_was_issued_for(
    vault, verifier, access_identity, held_identity, holder, reused
):
    cached = Credential(NEED, held_identity, Secret("held"), 1000.0, holder)
    assert (await used(vault, verifier, access_identity, cached) == "held") is reused


async def test_a_held_credential_near_its_end_or_for_another_need_is_obtained_anew(vault, verifier):
    ending = Credential(NEED, MACHINE, Secret("held"), 29.0)
    other = Credential(ApiKeyRequirement("other"), MACHINE, Secret("held"), 1000.0)
    assert await used(vault, verifier, MACHINE, ending) == "key-of-machine-0"
    assert await used(vault, verifier, MACHINE, other) == "key-of-machine-0"


@pytest.mark.parametrize("llm_api_key", [NEED, Secret("static")])
def test_requirements_are_by_node_and_have_the_default_identity(echo, llm_api_key):
    found = requirements(
        [echo("amap", NEED), echo("leave", NEED, access_identity=HUMAN), echo("greeter")],
        MACHINE,
        llm_api_key,
    )
    of_model = {"model": ServiceRequirement(NEED, MACHINE)} if llm_api_key is NEED else {}
    services = {"amap": ServiceRequirement(NEED, MACHINE), "leave": ServiceRequirement(NEED, HUMAN)}
    assert found == of_model | services
    assert list(found) == [*of_model, *services]


async def test_machine_credential_needs_no_caller(vault):
    credentials = ServiceCredentials({"amap": ServiceRequirement(NEED, MACHINE)}, vault, lambda: 0.0)
    assert (await credentials.of(None, "amap").credential()).secret.reveal() == "key-of-machine-0"
