"""The variables of revocations, and of what several processes share."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, InstanceOf

from identity.idaas.user_event import SubjectMember
from identity.idaas.user_event_reader import encryption_key
from identity.secrets.secret import Secret
from identity.settings.key_files import KeysFile
from identity.settings.values import (
    SecretInFile,
    Url,
    VariableGroup,
    Word,
    checked_by,
    parsed_by,
    set_together,
)


def _redis_url(value: str) -> Secret:
    """Allows no query, because a query of a Redis URL can disable certificate verification."""
    try:
        parts = urlsplit(value)
        whole = parts.hostname is not None and parts.port is not None
    except ValueError:
        whole = False
    if not whole or parts.scheme not in ("redis", "rediss") or parts.query or parts.fragment:
        raise ValueError("must have the form redis://host:port or rediss://user:password@host:port/database")
    return Secret(value)


EncryptionKeyFile = Annotated[SecretInFile, checked_by(encryption_key)]


class RevocationVariables(VariableGroup):
    """Where revocations are kept, and the user events of IDaaS that cause them."""

    heading = "Revocation and shared state"

    redis_url: Annotated[InstanceOf[Secret], parsed_by(_redis_url)] | None = None
    """A Redis for what several processes share (`docs/replicas.md`), such as
    `rediss://user:password@host:6379`."""
    redis_url_file: SecretInFile | None = None
    """A file with `REDIS_URL`, in its place."""
    seal_key_file: KeysFile | None = Field(None, repr=False)
    """A file with the key that seals callers of queued runs (`plugins/aegra/README.md`), the same for all
    processes. Only Aegra needs it."""
    revocations_file: Path = Path(".idaas-agent/revocations.sqlite")
    """The SQLite file of revocations (`docs/revocation.md`), for the processes of one machine. Not used if
    conversations are in PostgreSQL."""
    idaas_events_application_id: Word | None = None
    """The IDaaS application whose account synchronization reports user events to `POST /events/idaas`. With
    `IDAAS_EVENTS_JWKS_ENDPOINT`."""
    idaas_events_jwks_endpoint: Url | None = None
    """The keys that sign the events: the application's `ProvisionJwksEndpoint`."""
    idaas_events_key_file: EncryptionKeyFile | None = None
    """A file with the key of encrypted events, 64 hexadecimal digits. With it, events in clear are
    refused."""
    idaas_events_subject: SubjectMember = "userId"
    """The member of an event's user that is the `sub` of access tokens: `userId`, `username` or
    `userExternalId`."""

    @staticmethod
    def combination_faults(given: Mapping[str, str]) -> Iterator[str]:
        yield from set_together(given, "idaas_events_application_id", "idaas_events_jwks_endpoint")
        if "seal_key_file" in given and "redis_url" not in given:
            yield "SEAL_KEY_FILE needs REDIS_URL: the processes agree there to which run a caller belongs"
