"""What a kind of client authentication is read from: the configuration file's members, and its sources."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from identity.idaas.configuration_members import ConfigurationMembers


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
