"""Encryption at rest."""

import base64
import os

import pytest

from agent.conversations.encryption.encryption import Encryption
from agent.errors.error_codes import AgentCode
from identity.access_token.sealed_caller import SealingKeys
from identity.errors import ConfigurationError
from tests.clock import Clock


def key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


FORMER, PRESENT = key(), key()


def encryption(*keys: str) -> Encryption:
    return Encryption(SealingKeys.of("\n".join(keys)))


def test_sealed_value_is_opened_at_its_place_only() -> None:
    sealed = encryption(PRESENT).seal(b"salary", "here")
    assert b"salary" not in sealed
    assert encryption(PRESENT).open(sealed, "here") == b"salary"
    with pytest.raises(ConfigurationError, match="conversation_unreadable") as caught:
        encryption(PRESENT).open(sealed, "there")
    assert "another place" in caught.value.detail


def test_changed_value_is_not_opened() -> None:
    sealed = bytearray(encryption(PRESENT).seal(b"salary", "here"))
    for position in range(5, len(sealed)):
        changed = bytes(sealed[:position] + bytes([sealed[position] ^ 1]) + sealed[position + 1 :])
        with pytest.raises(ConfigurationError):
            encryption(PRESENT).open(changed, "here")


def test_one_value_is_never_sealed_to_the_same_twice() -> None:
    assert encryption(PRESENT).seal(b"x", "here") != encryption(PRESENT).seal(b"x", "here")


def test_refused_value_is_logged_once_and_reported_for_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    strict = Encryption(SealingKeys.of(PRESENT), monotonic=clock)
    strict.check()
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            strict.open(b"\0forged", "here")
    with pytest.raises(ConfigurationError) as checked:
        strict.check()
    assert checked.value.code is AgentCode.CONVERSATION_UNREADABLE
    [line] = caplog.records
    assert (line.levelname, "forged" in line.getMessage()) == ("ERROR", False)
    clock.now += 601
    strict.check()


@pytest.mark.parametrize("stored", [b"", b"\2x", b"\1", b"\1abcd", b"x"])
def test_value_of_another_form_is_an_error(stored: bytes) -> None:
    with pytest.raises(ConfigurationError):
        encryption(PRESENT).open(stored, "here")
