"""Which requests are IDaaS's user events, and what they contain."""

import json
from typing import Any

import pytest

from identity.idaas.user_event_reader import EventRefusedError, EventsUnreadableError, UserEventReader
from identity.secrets.secret import Secret
from tests.identity.idaas.user_event_request import (
    APPLICATION,
    INSTANCE,
    KEY,
    OTHER_KEY,
    data,
    encrypted_request,
    event,
    request,
)

pytestmark = pytest.mark.promise("revoked-refused")

DISABLE = event("ud:user:disable", time=1000.0, status="disabled")
VECTOR = (
    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.dZ7csMZY4tNrzeBROhaz8LYiNyB38gFB5Pzc-_XOf3ps"
    "OpDZRIb8Z0eiU8_jlTRshSUkkBwfMvM1xExPJQ5s3ss5DySh83zAsuW6kn9AaqN_JAapEJh1cQSWJHPOb-GA53Mz"
    ".-3wZORCQRb_8Fz6uIk1HOg"
)


def reader(issuer: Any, key: str | None = None) -> UserEventReader:
    return UserEventReader(
        keys=issuer.keys,
        instance_id=INSTANCE,
        application_id=APPLICATION,
        key=None if key is None else Secret(key),
        clock=issuer.clock,
    )


@pytest.mark.parametrize("as_text", [True, False])
async def test_events_in_clear_are_read_whether_nested_as_text_or_as_object(issuer, as_text):
    content: Any = data(DISABLE)
    if not as_text:
        content["eventData"] = [
            {**DISABLE, "bizData": json.loads(DISABLE["bizData"]), "eventTime": 1_000_000}
        ]
    (found,) = await reader(issuer).read(request(issuer, json.dumps(content) if as_text else content))
    assert (found.event_id, found.time, found.members["bizId"]) == (
        "evnt_ud:user:disable",
        1000.0,
        "user_alice01",
    )
    assert found.record == {"userId": "user_alice01", "status": "disabled"}


async def test_encrypted_events_are_read(issuer: Any) -> None:
    (found,) = await reader(issuer, KEY).read(encrypted_request(issuer, data(DISABLE)))
    assert found.kind.endswith(":disable")


async def test_known_encrypted_request_is_read(issuer: Any) -> None:
    body = request(issuer, "", dataEncrypted=True, cipherData=VECTOR)
    assert list(await reader(issuer, KEY).read(body)) == []


async def test_batch_and_a_deletion_in_short_form_are_read(issuer: Any) -> None:
    deletion = event("ud:user:delete", time=1000.0, user="user_bob01")
    assert json.loads(deletion["bizData"]) == {"userId": "user_bob01"}
    found = await reader(issuer).read(request(issuer, data(DISABLE, deletion)))
    assert [each.members["bizId"] for each in found] == ["user_alice01", "user_bob01"]


NOW_CLAIMS = {
    "another issuer": {"iss": "https://idaas.example"},
    "another instance": {"sub": "idaas_other"},
    "another application": {"aud": "app_other"},
    "a list of audiences": {"aud": [APPLICATION]},
    "expired": {"exp": 1},
    "no expiry": {"exp": ...},
    "issued in the future": {"iat": 4_000_000_000, "exp": 4_000_000_100},
    "valid for years": {"exp": 4_000_000_000},
    "no data": {"plainData": ...},
    "a list as data": {"plainData": []},
    "data of another instance": {"plainData": data(DISABLE, instanceId="idaas_other")},
    "encrypted without a key": {"dataEncrypted": True, "cipherData": VECTOR},
}


@pytest.mark.parametrize("fault", NOW_CLAIMS)
async def test_request_with_a_wrong_claim_is_refused(issuer: Any, fault: str) -> None:
    claims = dict(NOW_CLAIMS[fault])
    content = claims.pop("plainData", data(DISABLE))
    with pytest.raises(EventRefusedError):
        await reader(issuer).read(request(issuer, content, **claims))


@pytest.mark.parametrize("header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES256"}, {"kid": "unknown"}])
async def test_request_with_another_algorithm_or_key_is_refused(issuer: Any, header: dict[str, Any]) -> None:
    with pytest.raises(EventRefusedError):
        await reader(issuer).read(request(issuer, data(DISABLE), header=header))


async def test_changed_event_is_refused(issuer: Any) -> None:
    body = request(issuer, data(DISABLE))
    head, payload, _ = json.loads(body)["event"].split(".")
    other = json.loads(request(issuer, data(event("ud:user:enable", time=2000.0))))["event"].split(".")[2]
    with pytest.raises(EventRefusedError, match="signature"):
        await reader(issuer).read(json.dumps({"event": f"{head}.{payload}.{other}"}).encode())


async def test_event_in_clear_is_refused_where_a_key_is_configured(issuer: Any) -> None:
    with pytest.raises(EventRefusedError, match="dataEncrypted"):
        await reader(issuer, KEY).read(request(issuer, data(DISABLE)))


async def test_event_encrypted_with_another_key_is_refused(issuer: Any) -> None:
    with pytest.raises(EventRefusedError, match="configured key"):
        await reader(issuer, KEY).read(encrypted_request(issuer, data(DISABLE), OTHER_KEY))


@pytest.mark.parametrize(
    "cipher",
    ["", "a.b.c", VECTOR.replace("..", ".AAAA."), VECTOR.replace("AAAAAAAA", "AAAA"), VECTOR[:-4] + "AAAA"],
)
async def test_malformed_ciphertext_is_refused(issuer: Any, cipher: str) -> None:
    with pytest.raises(EventRefusedError):
        await reader(issuer, KEY).read(request(issuer, "", dataEncrypted=True, cipherData=cipher))


async def test_compressed_ciphertext_is_refused(issuer: Any) -> None:
    with pytest.raises(EventRefusedError):
        await reader(issuer, KEY).read(encrypted_request(issuer, data(DISABLE), zip="DEF"))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"event":7}', b'{"event":""}', b'{"event":"a.b.c"}', b"\xff"]
)
async def test_body_without_a_jws_is_refused(issuer: Any, body: bytes) -> None:
    with pytest.raises(EventRefusedError):
        await reader(issuer).read(body)


@pytest.mark.parametrize(
    "listed",
    [None, 7, {}, "", "{}", "[", "]", "[}", "[]]", '["a"', [{}] * 1001, json.dumps([{}] * 1001)],
    ids=lambda listed: str(listed)[:8],
)
async def test_signed_request_without_a_list_of_at_most_1000_events_is_unreadable(issuer, listed):
    with pytest.raises(EventsUnreadableError):
        await reader(issuer).read(request(issuer, data(eventData=listed)))


UNREADABLE = {
    "null": "null",
    "a number": "7",
    "a text": '"a]b,"',
    "a list": "[[],{}]",
    "no JSON": '{"eventId":"evnt_1",}',
    "two members of one name": '{"eventId":"evnt_1","a":1,"a":2}',
    "NaN": '{"eventId":"evnt_1","eventTime":NaN}',
    "a number beyond floats": '{"eventId":"evnt_1","eventTime":1e999}',
    "a number of 5,000 digits": '{"eventId":"evnt_1","eventTime":' + "7" * 5000 + "}",
    "a lone surrogate": r'{"eventId":"evnt_1","bizId":"\ud800"}',
    "nested deeply": '{"eventId":"evnt_1","bizData":' + "[" * 5000 + "]" * 5000 + "}",
    "nothing": "",
}


@pytest.mark.parametrize("odd", UNREADABLE)
async def test_event_that_is_no_strict_json_does_not_affect_the_others(issuer: Any, odd: str) -> None:
    text = UNREADABLE[odd]
    listed = f"[{json.dumps(DISABLE)},{text},{json.dumps(DISABLE)}]"
    first, found, last = await reader(issuer).read(request(issuer, data(eventData=listed)))
    assert (found.event_id, found.kind) == ("evnt_1" if "evnt_1" in text else "", "")
    for each in (first, last):
        assert (each.members, each.record) == (DISABLE, {"userId": "user_alice01", "status": "disabled"})


RECORDS = ["[]", "7", "null", "soon", '{"a":1,"a":2}', "[" * 5000, 7, 0, False, [], [{}], '{"status":NaN}']


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: str(record)[:8])
async def test_event_whose_record_is_no_object_has_its_other_members(issuer: Any, record: object) -> None:
    (found,) = await reader(issuer).read(request(issuer, data({**DISABLE, "bizData": record})))
    assert (found.event_id, found.record) == ("evnt_ud:user:disable", None)


async def test_events_of_a_list_with_brackets_and_quotes_in_texts_are_told_apart(issuer: Any) -> None:
    hostile = {**DISABLE, "displayName": 'a"],[{\\",\\', "empty": [], "list": [1, [2, {"a": "}"}]]}
    listed = " [ " + " , ".join(json.dumps(each) for each in (hostile, DISABLE, hostile)) + " ] "
    found = await reader(issuer).read(request(issuer, data(eventData=listed)))
    assert [each.members for each in found] == [hostile, DISABLE, hostile]
    assert list(await reader(issuer).read(request(issuer, data(eventData=" [ ] ")))) == []


@pytest.mark.promise("cheap-refusal")
async def test_payload_is_not_parsed_before_its_signature_is_verified(issuer: Any) -> None:
    body = request(issuer, data(DISABLE))
    head, payload, signature = json.loads(body)["event"].split(".")
    for other in ("e30", "AAAA", "-", payload[:-4]):
        with pytest.raises(EventRefusedError, match="signature"):
            await reader(issuer).read(json.dumps({"event": f"{head}.{other}.{signature}"}).encode())


@pytest.mark.promise("cheap-refusal")
@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"a.b.c",' + b",".join(b'"%d":{}' % n for n in range(1000)) + b"}",
        b'{"a":[' + b"[]," * 5000 + b'[]],"event":"a.b.c"}',
        b'{"event":"' + b"." * 1_000_000 + b'"}',
        b'{"event":"' + b"e30" * 2000 + b'.e30.AAAA"}',
        b'{"event":"e30.e30.' + b"AAAA" * 2000 + b'"}',
        b'{"event":"' * 100_000,
        b'{"a":{"event":"a.b.c"}}',
        b'{"event":"a.b.c","event":"a.b.c"}',
        b'{"a":"\\"event\\":\\"a.b.c\\""}',
    ],
    ids=range(9),
)
async def test_unsigned_body_is_refused_for_its_size_or_form_alone(issuer: Any, body: bytes) -> None:
    with pytest.raises(EventRefusedError, match=r"^(event must be|the body must be|is not strict JSON)"):
        await reader(issuer).read(body)
    assert issuer.keys.finds == 0


async def test_further_members_of_the_body_are_ignored(issuer: Any) -> None:
    body = json.dumps({"version": 2, **json.loads(request(issuer, data(DISABLE))), "a": {}}).encode()
    assert len(await reader(issuer).read(body)) == 1


@pytest.mark.parametrize("key", ["", "00", "zz" * 32, KEY + "00"])
def test_key_of_another_length_is_refused_without_quoting_it(issuer: Any, key: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits") as caught:
        reader(issuer, key)
    assert not key or key not in str(caught.value)
