"""Prepared runs in the database, also of several processes."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest

from agent.conversations.approvals import SqlApprovalStore
from agent.conversations.encryption.encryption import Encryption
from agent.conversations.message_json import encoded
from graph.approvals.inbox import kept_arguments
from graph.approvals.record import ApprovalRequest, ApprovalState
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ApprovalError, LimitError
from identity.principal import Principal
from plugins.prepared_runs.prepared_run import PreparedKind, PreparedRun
from plugins.prepared_runs.store import PreparedLimits, PreparedRunStore, members_of
from plugins.prepared_runs.store import request_of as request_of_stored
from tests.graph.approvals.conftest import ALICE, BOB, DIGEST, NOW, request_of

pytestmark = pytest.mark.promise("prepared-runs-wait")


@pytest.fixture(params=[None, "A" * 43], ids=["in clear", "encrypted"])
def encryption(request: pytest.FixtureRequest) -> Encryption:
    return Encryption(None if request.param is None else SealingKeys.of(request.param))


def prepared_run(name: str, by: str, user: Principal) -> ApprovalRequest:
    asked = request_of(id=name, thread_id=name, principal=user, arguments={"question": name})
    extensions = asked.extensions.having(PreparedRun(by))
    return replace(asked, kind=PreparedKind.PREPARED_RUN, extensions=extensions)


def test_prepared_run_is_stored_as_earlier_versions_read_it() -> None:
    asked = prepared_run("p1", "job", ALICE)
    stored = json.loads(encoded(members_of(asked)))
    assert (stored["kind"], stored["prepared_by"]) == ("prepared_run", "job")
    assert (stored["arguments"], stored["asker"]) == ({"question": "p1"}, [ALICE.issuer, ALICE.subject])
    members = {name: value for name, value in stored.items() if name != "asker"}
    assert request_of_stored(members, id="p1", thread_id="p1", principal=ALICE) == asked


async def test_prepared_run_is_of_its_client_and_user_and_no_question_of_a_run(new_database, encryption):
    stores = [PreparedRunStore(new_database(), encryption) for _ in range(2)]
    jobs = [Principal(ALICE.issuer, name) for name in ("job", "other")]
    asked = [
        prepared_run(name, by, user)
        for name, by, user in (("p1", "job", ALICE), ("p2", "job", BOB), ("p3", "other", ALICE))
    ]
    for request in asked:
        await stores[0].prepare(request, PreparedLimits(2, 2, 2))
    late = replace(asked[0], id="late", created_at=asked[0].expires_at, expires_at=NOW + 9999)
    with pytest.raises(LimitError):
        await stores[1].prepare(replace(asked[0], id="p4"), PreparedLimits(2, 3, 3))
    with pytest.raises(LimitError):
        await stores[1].prepare(replace(asked[2], id="p4"), PreparedLimits(3, 2, 2))
    with pytest.raises(LimitError):
        await stores[1].prepare(replace(asked[2], id="p4"), PreparedLimits(3, 3, 1))
    assert [each.request.id for each in await stores[1].waiting_for(ALICE, NOW)] == ["p1", "p3"]
    await stores[1].prepare(late, PreparedLimits(1, 1, 1))  # those before it have expired
    found = [await stores[1].of_client(each) for each in jobs]
    found += [await stores[1].waiting_for(*each) for each in ((ALICE, late.created_at), (BOB, NOW))]
    names = [sorted(each.request.id for each in of_one) for of_one in found]
    assert names == [["late", "p1", "p2"], ["p3"], ["late"], ["p2"]]
    assert found[3][0].request == asked[1]
    assert kept_arguments(found[3][0].request) == {"question": "p2"}

    for foreign in ("p3", "unknown"):
        with pytest.raises(ApprovalError):
            await stores[0].withdraw(foreign, jobs[0], NOW)
    both = [stores[0].withdraw("p1", jobs[0], NOW)]
    both.append(stores[1].decide("p1", ALICE, approved=True, digest=DIGEST, at=NOW))
    outcomes = Counter(map(type, await asyncio.gather(*both, return_exceptions=True)))
    assert outcomes == {ApprovalState: 1, ApprovalError: 1}
    await stores[0].decide("p2", BOB, approved=True, digest=DIGEST, at=NOW)
    of_runs = SqlApprovalStore(new_database(), encryption)
    await of_runs.withdraw(BOB, "p2", NOW)  # what ends a run changes nothing of it
    with pytest.raises(ApprovalError):
        await stores[1].withdraw("p2", jobs[0], NOW)
    assert await stores[1].waiting_for(BOB, NOW) == []
    assert (await stores[1].get("p2", BOB)).status == "approved"
