"""After a refusal a credential is renewed once, and the request sent once more."""

import pytest

from tools.service import send_with_credential


class Service:
    """Responds with the statuses, one after the other."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.received = []

    async def __call__(self, credential):
        self.received.append(credential.secret.reveal())
        return self.statuses.pop(0)


def is_refused(status: int) -> bool:
    return status in (401, 403)


@pytest.mark.parametrize(
    ("statuses", "sent"),
    [
        ([200], ["first"]),
        ([401, 200], ["first", "first"]),  # an equal value is another credential: the object says it
        ([403, 200], ["first", "first"]),
        ([401, 401], ["first", "first"]),
        ([401, 500], ["first", "first"]),
    ],
)
async def test_refused_request_is_sent_once_more_with_a_renewed_credential(key_ring, statuses, sent):
    access, service = key_ring("first"), Service(*statuses)
    assert await send_with_credential(access, service, is_refused) == statuses[-1]
    assert (service.received, len(access.renewals)) == (sent, len(statuses) - 1)


async def test_refusal_is_final_if_nothing_was_renewed(young_access):
    access, service = young_access("first"), Service(401)
    assert await send_with_credential(access, service, is_refused) == 401
    assert (service.received, len(access.renewals)) == (["first"], 1)


async def test_failed_request_renews_nothing(key_ring):
    async def fail(_):
        raise ConnectionError

    access = key_ring("first")
    with pytest.raises(ConnectionError):
        await send_with_credential(access, fail, is_refused)
    assert access.renewals == []
