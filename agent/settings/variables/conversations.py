"""The variables of conversations that last."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, InstanceOf

from identity.secrets.secret import Secret
from identity.settings.key_files import ConversationKeysFile
from identity.settings.values import SecretInFile, VariableGroup, Word, parsed_by

_FORM: Final = "must be sqlite:///path of a file, postgresql://user:password@host:port/database, or none"
_PARAMETERS: Final = frozenset(
    {"host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "sslcert", "sslkey"}
    | {"target_session_attrs"}
)


@dataclass(frozen=True, slots=True)
class SqliteFile:
    """Conversations in one file, for the processes of one machine."""

    path: Path

    def __str__(self) -> str:
        return f"sqlite:///{self.path}"


def _conversations_url(value: str) -> SqliteFile | Secret | None:
    if value == "none":
        return None
    if value.startswith(("postgresql://", "postgres://")):
        return _postgres_url(value)
    scheme, separator, path = value.partition(":///")
    if scheme != "sqlite" or not separator or not path or path.endswith("/"):
        raise ValueError(_FORM)
    return SqliteFile(Path(path))


def _postgres_url(value: str) -> Secret:
    """Its text is not repeated in a fault: it may contain a password, and so may psycopg's message."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        parameters = conninfo_to_dict(value)
    except ProgrammingError:
        raise ValueError(_FORM) from None
    ports = str(parameters.get("port") or "5432").split(",")
    if not parameters.get("dbname") or not all(port.isdecimal() for port in ports):
        raise ValueError(_FORM)
    if refused := sorted(parameters.keys() - _PARAMETERS):
        fault = f'must not have the parameter "{refused[0]}"; allowed: {", ".join(sorted(_PARAMETERS))}'
        raise ValueError(fault)
    return Secret(value)


ConversationsUrl = Annotated[
    InstanceOf[SqliteFile] | InstanceOf[Secret] | None, parsed_by(_conversations_url)
]
"""The URL of a PostgreSQL is a secret, because it may have a password."""


class ConversationVariables(VariableGroup):
    """Where conversations are stored, for how long, and how much of them the model receives."""

    heading = "Conversations"

    conversations_url: ConversationsUrl = SqliteFile(Path(".idaas-agent/conversations.db"))
    """Where conversations are stored: in a file, in a PostgreSQL, or (`none`) not at all
    (`docs/conversations.md`)."""
    conversations_url_file: SecretInFile | None = None
    """A file with `CONVERSATIONS_URL`, in its place."""
    conversations_key_file: ConversationKeysFile | None = Field(None, repr=False)
    """A file with the key that encrypts conversations at rest (`docs/conversations.md`).
    Without it they are stored in clear."""
    conversation_days: float = Field(90, gt=0, le=36_500, allow_inf_nan=False)
    """After how many days without a change a conversation is deleted."""
    conversation_tokens: int = Field(32_000, gt=0)
    """How much of a conversation the model receives with a new message: its newest turns, in estimated
    tokens."""
    max_thread_bytes: int = Field(33_554_432, ge=0)
    """How much one conversation may store. Beyond it: 409 (`conversation_full`). `0`: no limit."""
    max_thread_messages: int = Field(10_000, ge=0)
    """How many messages one conversation may have, with calls and results. Likewise."""
    max_user_bytes: int = Field(536_870_912, ge=0)
    """How much the conversations of one user may store. Beyond it: 409 (`storage_full`). `0`: no limit."""
    max_user_threads: int = Field(10_000, ge=0)
    """How many conversations one user may have. Beyond them, no other is opened: likewise."""
    policy_groups_claim: Word = "groups"
    """The claim of `CALLER_CLAIMS` that has a person's groups, a list of texts or one text."""
