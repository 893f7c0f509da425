"""A caller's access to a service, in memory."""

import time

import pytest

from identity.credentials.requirement import ApiKeyRequirement, Credential, CredentialRequirement
from identity.principal import AccessIdentity, Caller, Principal
from identity.secrets.secret import Secret


class KeyRing:
    """A user's `tools.service.Access`, whose credential is the next of `keys` after each renewal."""

    caller: Caller | None = None
    principal: Principal | None = Principal("https://idp.example", "alice")

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.renewals: list[Credential] = []
        self.stepped: list[CredentialRequirement] = []
        self._credential = self._next()

    async def credential(self) -> Credential:
        return self._credential

    def cached(self) -> Credential:
        return self._credential

    async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:  # noqa: ARG002
        self.renewals.append(refused)
        self._credential = self._next()
        return self._credential

    async def lent(self) -> Credential:
        return self._credential

    def stepped_up(self, requirement: CredentialRequirement) -> "KeyRing":
        self.stepped.append(requirement)
        return KeyRing("K2", "K3")

    def _next(self) -> Credential:
        key = self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]
        whose = AccessIdentity.HUMAN if self.principal else AccessIdentity.MACHINE
        return Credential(ApiKeyRequirement("key"), whose, Secret(key), time.time() + 600, self.principal)


class OwnAccess(KeyRing):
    """An access with the agent's own credential."""

    principal = None


@pytest.fixture
def key_ring() -> type[KeyRing]:
    return KeyRing


@pytest.fixture
def young_access() -> type[KeyRing]:
    """An access whose credential is too young to be renewed."""

    class YoungAccess(KeyRing):
        async def renew(self, refused: Credential, *, forbidden: bool = False) -> Credential:  # noqa: ARG002
            self.renewals.append(refused)
            return refused

    return YoungAccess
