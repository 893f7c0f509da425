"""Signed notes, against the example of Go's `sumdb/note`, and checkpoints."""

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from plugins.receipts.note import Checkpoint, PublicKey, signed_note, verified_text
from plugins.receipts.signing_keys import FileKey

NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    f"{TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
NAME = "agent.example.com/audit"


def signing_key() -> FileKey:
    return FileKey(Ed25519PrivateKey.generate())


def public_of(key: FileKey, name: str = NAME) -> PublicKey:
    return PublicKey(name, key.public)


def test_note_of_another_implementation_is_verified() -> None:
    key = PublicKey.parse(NEUMANN)
    assert verified_text(NOTE, key) == TEXT
    assert str(key) == NEUMANN


@pytest.mark.parametrize(
    ("note", "why"),
    [
        (NOTE.replace("answer", "question"), "is wrong"),
        (NOTE.replace("x08go/Z", "x08go/Y"), "is wrong"),
        (NOTE.replace("— PeterNeumann x08go", "— PeterNeumann x08gp"), "not signed by the key"),
        (NOTE.replace("— Peter", "— Paul"), "not signed by the key"),
        (NOTE.replace("— ", ""), "begins with"),
        (TEXT, "an empty line"),
        (f"{TEXT}\n", "not signed by the key"),
        (f"{TEXT}\n— PeterNeumann !\n", "base64"),
    ],
)
def test_note_that_was_changed_is_refused(note: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        verified_text(note, PublicKey.parse(NEUMANN))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        NEUMANN.replace("c74f", "c74e"),
        NEUMANN.replace("ARpc", "AhpC"),
        NEUMANN.replace("PeterNeumann", "Peter Neumann"),
        NEUMANN[:-4],
        f"{NEUMANN}!",
    ],
)
def test_public_key_that_was_changed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="public key is written"):
        PublicKey.parse(text)


def test_note_of_a_rotation_is_accepted_by_holders_of_either_key() -> None:
    former, new, other = signing_key(), signing_key(), signing_key()
    note = signed_note("text\n", NAME, [new, former])
    assert verified_text(note, public_of(new)) == verified_text(note, public_of(former)) == "text\n"
    with pytest.raises(ValueError, match="not signed by the key"):
        verified_text(note, public_of(other))
    with pytest.raises(ValueError, match="not signed by the key"):
        verified_text(note, public_of(new, "another.example/log"))


@dataclass(frozen=True)
class WrongKey:
    """A key service that signs with another key than it says."""

    public: bytes

    def sign(self, message: bytes) -> bytes:
        return signing_key().sign(message)


def test_signature_that_is_not_by_its_public_key_is_never_written() -> None:
    with pytest.raises(ValueError, match="not by the public key"):
        signed_note("text\n", NAME, [WrongKey(signing_key().public)])


@pytest.mark.parametrize(
    "text", ["", "name\n1\n", "name\n01\nAAAA\n", "a b\n1\nAAAA\n", "name\n-1\nAAAA\n", "name\n1\nAAAA\n"]
)
def test_text_that_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"checkpoint|base64"):
        Checkpoint.parse(text)


def test_checkpoint_is_read_as_it_was_written() -> None:
    checkpoint = Checkpoint(NAME, 42, bytes(32))
    assert Checkpoint.parse(checkpoint.text) == checkpoint
