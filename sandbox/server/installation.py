"""A sandbox before it serves: its options, its ports, and the files that it writes."""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.addresses import Addresses
from sandbox.agent_files.agent_environment import agent_environment, write_agent_files
from sandbox.agent_files.workload_token_files import WorkloadTokenFiles
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.certificates import Certificates, kept_certificates
from sandbox.configuration.configuration import Configuration
from sandbox.configuration.configuration_file import SandboxFile, with_secrets
from sandbox.federation.keys import kept_federation_keys
from sandbox.generated_secrets import kept_secrets, kept_user_events_key
from sandbox.server.listener import bind
from sandbox.state.cloud import Cloud


class FolderInUseError(OSError):
    """Another sandbox runs with the files of this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            0, f"another sandbox runs with the files of {folder}; stop it, or choose another folder"
        )


def hold_folder(folder: Path) -> int:
    """A descriptor that keeps the folder for one sandbox until it is closed. Raises FolderInUseError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(kept, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(kept)
        raise FolderInUseError(folder) from None
    return kept


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Where to keep generated files and where to listen. Port 0 lets the system choose.

    `page_origins` are the origins (scheme, host, port) of the page: redirect URIs and CORS follow them.
    `separate` are services, by the names of faults, that listen on a port of their own too: so that a fault
    of connections is theirs alone. `RunningSandbox.ports` has the numbers. `config` is a `sandbox.toml`,
    which need not exist and adds to the one at `people`; `variables` has the values that it takes from the
    environment. `authn` and `role_credentials` are for the agent's configuration and variables: IDaaS
    accepts every method always.
    """

    folder: Path = Path(".sandbox")
    host: str = "127.0.0.1"
    idaas_port: int = 9443
    idaas_plain_port: int = 9400
    model_studio_port: int = 9444
    function_compute_port: int = 9445
    page_origins: tuple[str, ...] = ("http://localhost:9001", "http://127.0.0.1:9001")
    clock: Callable[[], float] = time.time
    separate: tuple[str, ...] = ()
    config: Path | None = None
    people: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    authn: AuthnMethod = AuthnMethod.CLIENT_SECRET_POST
    role_credentials: RoleCredentials = RoleCredentials.ENVIRONMENT


@dataclass(frozen=True, slots=True)
class Installation:
    """A sandbox whose ports are bound and whose files are written, but that does not serve yet."""

    cloud: Cloud
    folder: Path
    authn: AuthnMethod
    certificates: Certificates
    workload_tokens: WorkloadTokenFiles
    environment: dict[str, str]
    listeners: dict[str, socket.socket]
    ports: dict[str, int]
    close: Callable[[], None]
    """Frees the ports and the folder. May be called twice."""


def install(options: SandboxOptions) -> Installation:
    """Binds the ports and writes secrets, certificates, `client-config.json` and `agent.env` into the folder.

    Raises PortInUseError, FolderInUseError or ConfigurationFaultsError before anything is written.
    """
    file = SandboxFile(options.config, options.variables, options.people) if options.config else None
    configuration = file.read() if file else Configuration()
    listeners: dict[str, socket.socket] = {}
    kept = ExitStack()
    chosen = {
        "idaas": options.idaas_port,
        "idaas_plain": options.idaas_plain_port,
        "model_studio": options.model_studio_port,
        "function_compute": options.function_compute_port,
    }
    try:
        for name, port in chosen.items():
            listeners[name] = kept.enter_context(bind(options.host, port, f"sandbox {name}"))
        origins = {
            name: f"{'http' if name == 'idaas_plain' else 'https'}://localhost:{listener.getsockname()[1]}"
            for name, listener in listeners.items()
        }
        for service in set(options.separate) - set(listeners):
            listeners[service] = kept.enter_context(bind(options.host, 0, f"sandbox {service}"))
        addresses = Addresses(**origins, page_origins=options.page_origins)
        kept.callback(os.close, hold_folder(options.folder))
        certificates = kept_certificates(options.folder)
        secrets = kept_secrets(options.folder)
        cloud = Cloud(
            addresses,
            secrets,
            options.clock,
            with_secrets(configuration, options.folder),
            kept_federation_keys(options.folder),
        )
        cloud.user_events_key = kept_user_events_key(options.folder)
        tokens = WorkloadTokenFiles(options.folder, cloud.federation, cloud.settings, options.clock)
        cloud.on_reset(tokens.reset)
        cloud.write_workload_tokens = tokens.write
        environment = write_files(
            options.folder, cloud, certificates, options.authn, options.role_credentials
        )
    except BaseException:
        kept.close()
        raise

    def reload() -> Path:
        assert file is not None  # noqa: S101 - only then it is registered
        cloud.configure(with_secrets(file.read(), options.folder))
        environment.update(
            write_files(options.folder, cloud, certificates, options.authn, options.role_credentials)
        )
        return file.path

    if file is not None:
        cloud.reload = reload
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    return Installation(
        cloud, options.folder, options.authn, certificates, tokens, environment, listeners, ports, kept.close
    )


def write_files(
    folder: Path,
    cloud: Cloud,
    certificates: Certificates,
    authn: AuthnMethod,
    role_credentials: RoleCredentials,
) -> dict[str, str]:
    """The agent's variables; writes them and the SDK configuration into `folder`."""
    environment = agent_environment(folder, cloud, certificates, authn, role_credentials)
    write_agent_files(folder, cloud, environment, authn)
    return environment
