"""Files with keys that seal what is stored: one key or two, the sealing key first."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import InstanceOf

from identity.access_token.sealed_caller import SealingKeys
from identity.secrets.secret_file import read_bounded_text
from identity.settings.values import parsed_by

_MAX_BYTES: Final = 1000
_CLEAR: Final = "clear"
"""The line of a key file that accepts values in clear."""


@dataclass(frozen=True, slots=True)
class ConversationKeys:
    """The keys of conversations, and whether values that were stored in clear are accepted beside them."""

    keys: SealingKeys
    allows_clear: bool


def _text(path: str) -> str:
    try:
        return read_bounded_text(Path(path), _MAX_BYTES)
    except ValueError:
        raise ValueError("must name a readable file with keys") from None


def _conversation_keys(path: str) -> ConversationKeys:
    lines = [line.strip() for line in _text(path).splitlines()]
    keys = [line for line in lines if line != _CLEAR]
    return ConversationKeys(SealingKeys.of("\n".join(keys)), allows_clear=_CLEAR in lines)


KeysFile = Annotated[InstanceOf[SealingKeys], parsed_by(lambda path: SealingKeys.of(_text(path)))]
ConversationKeysFile = Annotated[InstanceOf[ConversationKeys], parsed_by(_conversation_keys)]
