"""What a kind of client authentication is read from: the configuration file's members, and its sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from identity.idaas.client_authentication.role.role_credential import RoleCredential
from identity.idaas.configuration_members import ConfigurationMembers
from identity.idaas.metadata_service import MetadataService
from identity.secrets.secret_source import SecretSource


class SubjectTokenIn(StrEnum):
    """Where the user's access token is in a request of the OpenAPI."""

    BODY = "body"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file, and the name of the setting that names it, for faults."""

    path: Path
    setting: str


@dataclass(frozen=True, slots=True)
class AuthenticationSources:
    """What the configuration file does not contain: where secrets come from besides the variables it names.

    A file is read in place of the variable that the configuration file names. `role` is the credential of the
    execution role (`PLUGIN`); without it that method is a fault.
    """

    client_secret_file: NamedFile | None = None
    private_key_file: NamedFile | None = None
    metadata: MetadataService = field(default_factory=MetadataService)
    role: SecretSource[RoleCredential] | None = None
    subject_token_in: SubjectTokenIn = SubjectTokenIn.BODY


@dataclass(frozen=True, slots=True)
class Declaration:
    """The client as the configuration file declares it.

    `authn` has the members of `authnConfiguration`, `root` those of the file. A reader notes faults there.
    `environment` has the variables that members may name. `clock` gives unix seconds.
    """

    root: ConfigurationMembers
    authn: ConfigurationMembers
    client_id: str
    token_endpoint: str
    environment: Mapping[str, str]
    clock: Callable[[], float]
    sources: AuthenticationSources

    def fault(self, fault: str) -> None:
        """Notes a fault that is not of a member."""
        self.root.faults.append(fault)
