"""Sealed callers: what is stored in place of an access token, and what it is bound to."""

import base64
import time
from typing import Any

import pytest

from identity.access_token.sealed_caller import CallerSeal, SealingKeys
from identity.access_token.verified_access_token import VerifiedAccessToken, assume_verified
from identity.errors import AccessTokenError
from identity.principal import Principal
from identity.secrets.secret import Secret

ALICE = Principal("https://idaas.example", "alice")
BOB = Principal("https://idaas.example", "bob")
TOKEN = "eyJhbGciOiJSUzI1NiJ9.CANARY-of-alice.c2ln"
FIRST, SECOND = (base64.urlsafe_b64encode(bytes([n]) * 32).decode() for n in (1, 2))
GIVEN = "digest"
NOW = 1_800_000_000.0


class Claims:
    """Claims in memory: the first run of each envelope."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}

    async def claim(self, envelope_id: str, run_id: str, until: float) -> bool:  # noqa: ARG002 - as the original
        return self.runs.setdefault(envelope_id, run_id) == run_id


def caller(principal: Principal = ALICE, expires_at: float = NOW + 600.5) -> VerifiedAccessToken:
    return assume_verified(
        principal=principal,
        audience=("agent",),
        scopes=frozenset(),
        expires_at=expires_at,
        fingerprint="f" * 64,
        token=Secret(TOKEN),
    )


def seal_of(keys: str = FIRST, audience: str = "agent", **options: Any) -> CallerSeal:
    options = {"claims": Claims(), "clock": lambda: NOW} | options
    return CallerSeal(SealingKeys.of(keys), audience=audience, **options)


async def refusal_of(seal: CallerSeal, envelope: object, *where: Any) -> str:
    with pytest.raises(AccessTokenError) as refused:
        await seal.open(envelope, *(where or (ALICE, "thread-1", GIVEN, "run-1")))
    assert refused.value.code == "sign_in_required"
    assert TOKEN not in refused.value.detail
    return refused.value.detail


async def test_sealed_caller_opens_for_its_principal_thread_and_run() -> None:
    seal = seal_of()
    opened = await seal.open(seal.seal(caller(), "thread-1", GIVEN), ALICE, "thread-1", GIVEN, "run-1")
    assert opened.access_token.reveal() == TOKEN
    assert opened.expires_at == NOW + 600


def test_envelope_contains_no_part_of_the_token_and_no_two_are_equal() -> None:
    seal = seal_of()
    envelopes = [seal.seal(caller(), "thread-1", GIVEN) for _ in range(2)]
    assert envelopes[0] != envelopes[1]
    for envelope in envelopes:
        decoded = base64.urlsafe_b64decode(envelope.rpartition(".")[2] + "==")
        assert b"CANARY" not in decoded
        assert "CANARY" not in envelope


@pytest.mark.parametrize(
    "where",
    [
        (BOB, "thread-1", GIVEN, "run-1"),
        (ALICE, "thread-2", GIVEN, "run-1"),
        (ALICE, "thread-1", "another digest", "run-1"),
        (ALICE, "thread-1", "", "run-1"),
    ],
)
async def test_envelope_of_another_principal_thread_or_input_is_refused(where: Any) -> None:
    seal = seal_of()
    await refusal_of(seal, seal.seal(caller(), "thread-1", GIVEN), *where)


async def test_envelope_is_bound_to_the_first_run_that_opens_it_in_any_process() -> None:
    claims = Claims()
    one, other = seal_of(claims=claims), seal_of(claims=claims)
    envelope = one.seal(caller(), "thread-1", GIVEN)
    await one.open(envelope, ALICE, "thread-1", GIVEN, "run-1")
    await other.open(
        envelope, ALICE, "thread-1", GIVEN, "run-1"
    )  # the same run, taken over by another process
    assert "another run" in await refusal_of(other, envelope, ALICE, "thread-1", GIVEN, "run-2")


async def test_envelope_that_does_not_open_claims_nothing() -> None:
    claims = Claims()
    seal = seal_of(claims=claims)
    await refusal_of(seal, seal.seal(caller(), "thread-1", GIVEN), BOB, "thread-1", GIVEN, "run-2")
    assert claims.runs == {}


async def test_envelope_for_another_audience_is_refused() -> None:
    envelope = seal_of(audience="agent").seal(caller(), "thread-1", GIVEN)
    await refusal_of(seal_of(audience="another agent"), envelope)


async def test_envelope_expires_with_the_token_at_the_latest() -> None:
    envelope = seal_of().seal(caller(), "thread-1", GIVEN)
    await seal_of(clock=lambda: NOW + 599).open(envelope, ALICE, "thread-1", GIVEN, "run-1")
    assert "expired" in await refusal_of(seal_of(clock=lambda: NOW + 600), envelope)


async def test_process_without_the_key_opens_nothing() -> None:
    assert "not known" in await refusal_of(seal_of(SECOND), seal_of(FIRST).seal(caller(), "thread-1", GIVEN))


async def test_key_is_rotated_without_losing_what_is_queued() -> None:
    before = seal_of(FIRST).seal(caller(), "thread-1", GIVEN)
    rotated = seal_of(f"{SECOND}\n{FIRST}\n")
    await rotated.open(before, ALICE, "thread-1", GIVEN, "run-1")
    after = rotated.seal(caller(), "thread-1", GIVEN)
    await seal_of(SECOND).open(after, ALICE, "thread-1", GIVEN, "run-1")


async def test_every_changed_character_is_noticed() -> None:
    seal = seal_of()
    envelope = seal.seal(caller(), "thread-1", GIVEN)
    for place in range(len(envelope)):
        changed = envelope[:place] + ("A" if envelope[place] != "A" else "B") + envelope[place + 1 :]
        await refusal_of(seal, changed)


@pytest.mark.parametrize(
    "envelope",
    [
        None,
        7,
        b"v1",
        "",
        "v1",
        "v1...",
        "v1.aaaaaaaa.99999999999999999999.x",
        "v1.00000000.٣.x",
        "x" * 40_000,
    ],
)
async def test_malformed_envelope_is_refused(envelope: object) -> None:
    await refusal_of(seal_of(), envelope)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "found 0"),
        (f"{FIRST}\n{SECOND}\n{FIRST}", "found 3"),
        ("not base64!", "base64url"),
        ("AAAA", "32"),
        ("0a" * 32, "hexadecimal"),
    ],
)
def test_unusable_keys_are_refused_without_showing_them(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault) as refused:
        SealingKeys.of(text)
    assert FIRST not in str(refused.value)


def test_keys_are_not_printed() -> None:
    shown = repr(SealingKeys.of(f"{FIRST}\n{SECOND}"))
    assert FIRST.rstrip("=") not in shown
    assert SECOND.rstrip("=") not in shown


def test_real_clock_is_the_default() -> None:
    seal = CallerSeal(SealingKeys.of(FIRST), audience="agent", claims=Claims())
    assert int(seal.seal(caller(expires_at=time.time() + 60), "t", GIVEN).split(".")[2]) > time.time()
