"""After a refusal a credential is renewed once, and the request sent once more."""

from dataclasses import dataclass, field

import pytest

from identity.credentials.requirement import AccessTokenRequirement, Credential
from identity.principal import AccessIdentity
from identity.secrets.secret import Secret
from tools.service import send_with_credential

TOKEN = AccessTokenRequirement("https://service.example|read")


def credential(value: str) -> Credential:
    return Credential(TOKEN, AccessIdentity.MACHINE, Secret(value), 1200.0)


@dataclass
class Source:
    """A credential that each renewal replaces, unless `renewed` is false."""

    renewed: bool = True
    caller: None = None
    current: Credential = field(default_factory=lambda: credential("first"))
    refused: list[Credential] = field(default_factory=list)

    async def credential(self) -> Credential:
        return self.current

    async def renew(self, refused: Credential) -> Credential:
        self.refused.append(refused)
        if self.renewed:
            # An equal value is another credential: only the object says whether there was a renewal.
            self.current = credential("first")
        return self.current


@dataclass
class Service:
    """Responds with the statuses, one after the other."""

    statuses: list[int]
    received: list[Credential] = field(default_factory=list)

    async def __call__(self, presented: Credential) -> int:
        self.received.append(presented)
        return self.statuses[len(self.received) - 1]


def is_refused(status: int) -> bool:
    return status in (401, 403)


async def test_accepted_request_is_sent_once() -> None:
    source, service = Source(), Service([200])
    assert await send_with_credential(source, service, is_refused) == 200
    assert (service.received, source.refused) == ([source.current], [])


@pytest.mark.parametrize("statuses", [[401, 200], [403, 200], [401, 401], [401, 500]])
async def test_refused_request_is_sent_once_more_with_a_renewed_credential(statuses: list[int]) -> None:
    source, service = Source(), Service(statuses)
    first = source.current
    assert await send_with_credential(source, service, is_refused) == statuses[1]
    assert source.refused == [first]
    assert [each is first for each in service.received] == [True, False]


async def test_refusal_is_final_if_nothing_was_renewed() -> None:
    source, service = Source(renewed=False), Service([401])
    assert await send_with_credential(source, service, is_refused) == 401
    assert (len(service.received), len(source.refused)) == (1, 1)


async def test_failed_request_renews_nothing() -> None:
    async def fail(_: Credential) -> int:
        raise ConnectionError

    source = Source()
    with pytest.raises(ConnectionError):
        await send_with_credential(source, fail, is_refused)
    assert source.refused == []
