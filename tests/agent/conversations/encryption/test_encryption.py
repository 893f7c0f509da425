"""Encryption at rest."""

import base64
import os

import pytest

from agent.conversations.encryption.encryption import Encryption
from identity.errors import ConfigurationError
from identity.sealing.sealing_keys import SealingKeys


def key() -> str:
    return base64.urlsafe_b64encode(os.urandom(32)).decode()


FORMER, PRESENT = key(), key()


def encryption(*keys: str) -> Encryption:
    return Encryption(SealingKeys.of("\n".join(keys)))


def test_sealed_value_is_opened_at_its_place_only() -> None:
    sealed = encryption(PRESENT).seal(b"salary", "here")
    assert b"salary" not in sealed
    assert encryption(PRESENT).open(sealed, "here") == b"salary"
    with pytest.raises(ConfigurationError, match="conversations_unavailable") as caught:
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


def test_value_in_clear_is_refused_where_only_the_agent_may_have_written() -> None:
    clear, sealed = Encryption().seal(b"salary", "here"), encryption(PRESENT).seal(b"salary", "here")
    assert Encryption().open_sealed(clear, "here") == b"salary"
    assert encryption(PRESENT).open_sealed(sealed, "here") == b"salary"
    with pytest.raises(ConfigurationError):
        encryption(PRESENT).open_sealed(clear, "here")


def test_second_key_opens_and_the_first_seals() -> None:
    sealed = encryption(FORMER).seal(b"salary", "here")
    both = encryption(PRESENT, FORMER)
    assert both.open(sealed, "here") == b"salary"
    again = both.seal(b"salary", "here")
    assert encryption(PRESENT).open(again, "here") == b"salary"


def test_missing_key_is_named() -> None:
    [name] = encryption(FORMER).key_names
    sealed = encryption(FORMER).seal(b"salary", "here")
    for lacking in (encryption(PRESENT), Encryption()):
        with pytest.raises(ConfigurationError) as caught:
            lacking.open(sealed, "here")
        assert caught.value.faults == (
            f'CONVERSATIONS_KEY_FILE lacks the key "{name}", under which they are encrypted',
        )


def test_values_in_clear_are_read_with_and_without_a_key() -> None:
    stored = Encryption().seal(b"hello", "here")
    assert Encryption().open(stored, "here") == encryption(PRESENT).open(stored, "here") == b"hello"


@pytest.mark.parametrize("stored", [b"", b"\2x", b"\1", b"\1abcd", b"x"])
def test_value_of_another_form_is_an_error(stored: bytes) -> None:
    with pytest.raises(ConfigurationError):
        encryption(PRESENT).open(stored, "here")
