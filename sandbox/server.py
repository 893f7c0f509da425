"""Starting the sandbox: four listeners, in this process or in a thread of a test.

    idaas             TLS    IDaaS and its Developer API, for SDKs and agents
    idaas_plain       HTTP   the same on loopback, for the browser; and the control endpoint
    model_studio      TLS    Model Studio, and the MCP servers under /api/v1/mcps/
    function_compute  TLS    the functions behind HTTP triggers

Each package `sandbox.<service>` has `application(cloud) -> ASGIApp`, which sees the full path of the URL.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.addresses import Addresses
from sandbox.agent_environment import agent_environment, write_agent_files
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.certificates import Certificates, kept_certificates
from sandbox.cloud import Cloud
from sandbox.configuration import Configuration
from sandbox.configuration_file import SandboxFile, with_secrets
from sandbox.federation.keys import kept_federation_keys
from sandbox.generated_secrets import kept_secrets
from sandbox.lifespan import lifespan
from sandbox.listener import WebServer, bind, run, web_server
from sandbox.port import Port
from sandbox.workload_token_files import WorkloadTokenFiles

LISTENERS = {
    "idaas.token": "idaas",
    "idaas.jwks": "idaas",
    "idaas.discovery": "idaas",
    "idaas.authorize": "idaas",
    "developer_api": "idaas",
    "model_studio": "model_studio",
    "amap": "model_studio",
    "function_compute": "function_compute",
    "ecs_metadata": "idaas_plain",
    "credentials_uri": "idaas_plain",
    "openapi": "idaas",
    "sts": "idaas",
}
"""Where each service is reached, by the names of faults."""


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Where to keep generated files and where to listen. Port 0 lets the system choose.

    `page_origins` are the origins (scheme, host, port) of the page: redirect URIs and CORS follow them.
    `separate` are services, by the names of faults, that listen on a port of their own too: so that a fault
    of connections is theirs alone. `RunningSandbox.ports` has the numbers. `config` is a `sandbox.toml`,
    which need not exist; `variables` has the values that it takes from the environment. `authn` and
    `role_credentials` are for the agent's configuration and variables: IDaaS accepts every method always.
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

    def close(self) -> None:
        """Frees the ports."""
        for listener in self.listeners.values():
            listener.close()


def install(options: SandboxOptions) -> Installation:
    """Binds the ports and writes secrets, certificates, `client-config.json` and `agent.env` into the folder.

    Raises PortInUseError or ConfigurationFaultsError before anything is written.
    """
    file = SandboxFile(options.config, options.variables) if options.config else None
    configuration = file.read() if file else Configuration()
    listeners: dict[str, socket.socket] = {}
    chosen = {
        "idaas": options.idaas_port,
        "idaas_plain": options.idaas_plain_port,
        "model_studio": options.model_studio_port,
        "function_compute": options.function_compute_port,
    }
    try:
        for name, port in chosen.items():
            listeners[name] = bind(options.host, port, f"sandbox {name}")
        origins = {
            name: f"{'http' if name == 'idaas_plain' else 'https'}://localhost:{listener.getsockname()[1]}"
            for name, listener in listeners.items()
        }
        for service in set(options.separate) - set(listeners):
            listeners[service] = bind(options.host, 0, f"sandbox {service}")
        addresses = Addresses(**origins, page_origins=options.page_origins)
        options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        certificates = kept_certificates(options.folder)
        secrets = kept_secrets(options.folder)
        cloud = Cloud(
            addresses,
            secrets,
            options.clock,
            with_secrets(configuration, options.folder),
            kept_federation_keys(options.folder),
        )
        tokens = WorkloadTokenFiles(options.folder, cloud.federation, cloud.settings, options.clock)
        cloud.on_reset(tokens.write)
        cloud.on_workload_tokens(tokens.write)
        environment = _written(options.folder, cloud, certificates, options.authn, options.role_credentials)
    except BaseException:
        for listener in listeners.values():
            listener.close()
        raise

    def reload() -> Path:
        assert file is not None  # noqa: S101 - only then it is registered
        cloud.configure(with_secrets(file.read(), options.folder))
        environment.update(
            _written(options.folder, cloud, certificates, options.authn, options.role_credentials)
        )
        return file.path

    if file is not None:
        cloud.on_reload(reload)
    ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
    return Installation(
        cloud, options.folder, options.authn, certificates, tokens, environment, listeners, ports
    )


def _written(
    folder: Path,
    cloud: Cloud,
    certificates: Certificates,
    authn: AuthnMethod,
    role_credentials: RoleCredentials,
) -> dict[str, str]:
    """The agent's variables; they and the SDK configuration are written into `folder`."""
    environment = agent_environment(folder, cloud, certificates, authn, role_credentials)
    write_agent_files(folder, cloud, environment, authn)
    return environment


def _applications(cloud: Cloud) -> tuple[dict[str, ASGIApp], list[ASGIApp]]:
    """By listener; and those whose lifespan must run. Imports late: starting the services costs time."""
    from sandbox import (
        amap,
        cluster,
        control,
        credentials_uri,
        developer_api,
        ecs,
        function_compute,
        idaas,
        model_studio,
        openapi,
    )

    idaas_app = idaas.application(cloud)
    tls = by_prefix(
        {
            "/v2/": developer_api.application(cloud),
            f"{cluster.PATH}/": cluster.application(cloud),
        },
        exactly("/", openapi.application(cloud), idaas_app),
    )
    plain = by_prefix(
        {
            "/__sandbox__/": control.application(cloud),
            "/latest/": ecs.application(cloud),
            credentials_uri.PATH: credentials_uri.application(cloud),
        },
        idaas_app,
    )
    mcp, models = amap.application(cloud), model_studio.application(cloud)
    functions = function_compute.application(cloud)
    applications = {
        "idaas": tls,
        "idaas_plain": plain,
        "model_studio": by_prefix({"/api/v1/mcps/": mcp}, models),
        "function_compute": functions,
    }
    return applications, [mcp, models, functions]


def by_prefix(applications: dict[str, ASGIApp], otherwise: ASGIApp) -> ASGIApp:
    """Chooses an application by the start of the path, which stays as it is."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        app = next((app for prefix, app in applications.items() if path.startswith(prefix)), otherwise)
        await app(scope, receive, send)

    return choose


def exactly(path: str, app: ASGIApp, otherwise: ASGIApp) -> ASGIApp:
    """Chooses `app` for this very path."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        await (app if scope.get("path") == path else otherwise)(scope, receive, send)

    return choose


@contextlib.asynccontextmanager
async def running(installation: Installation) -> AsyncIterator[Cloud]:
    """Serves within the block, in the running event loop."""
    applications, managed = _applications(installation.cloud)
    applications |= {
        name: applications[LISTENERS[name]] for name in installation.listeners if name in LISTENERS
    }
    async with contextlib.AsyncExitStack() as stack:
        for app in managed:
            await stack.enter_async_context(lifespan(app))
        servers: dict[socket.socket, WebServer] = {
            installation.listeners[name]: web_server(
                app, None if LISTENERS.get(name, name) == "idaas_plain" else installation.certificates
            )
            for name, app in applications.items()
        }
        ready = asyncio.Event()
        task = asyncio.create_task(run(servers, ready))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            waiting.cancel()
            task.result()
        _join_faults(installation, servers)
        renewing = asyncio.create_task(_renew(installation.workload_tokens))
        try:
            yield installation.cloud
        finally:
            renewing.cancel()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _renew(tokens: WorkloadTokenFiles) -> None:
    while True:
        await asyncio.sleep(30)
        tokens.renew()


def _join_faults(installation: Installation, servers: dict[socket.socket, WebServer]) -> None:
    """From now on faults of connections are made at the listeners."""
    ports = {
        name: Port(listener, servers[listener], installation.certificates)
        for name, listener in installation.listeners.items()
        if name != "idaas_plain"
    }
    for service, listener in LISTENERS.items():
        if port := ports.get(service) or ports.get(listener):
            installation.cloud.faults.on_port(service, port)


async def serve(options: SandboxOptions, ready: Callable[[Installation], None] = lambda _: None) -> None:
    """Runs the sandbox until cancelled; calls `ready` once all listeners accept. Raises PortInUseError."""
    installation = install(options)
    try:
        async with running(installation):
            ready(installation)
            await asyncio.Event().wait()
    finally:
        installation.close()


class RunningSandbox:
    """A sandbox in a thread with an event loop of its own. Close it, or use it as a context manager."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self.close()
            raise self._failure

    @property
    def cloud(self) -> Cloud:
        return self._installation.cloud

    @property
    def environment(self) -> dict[str, str]:
        """The variables that an agent needs, as in `agent.env`."""
        return dict(self._installation.environment)

    @property
    def authn(self) -> AuthnMethod:
        """The method that `environment` is for."""
        return self._installation.authn

    def environment_by(
        self,
        authn: AuthnMethod,
        folder: Path,
        role_credentials: RoleCredentials = RoleCredentials.ENVIRONMENT,
    ) -> dict[str, str]:
        """The variables of an agent that authenticates by `authn`; writes its files into `folder`."""
        installation = self._installation
        WorkloadTokenFiles(
            folder, self.cloud.federation, self.cloud.settings, self.cloud.clock
        )  # written once
        return _written(folder, self.cloud, installation.certificates, authn, role_credentials)

    @property
    def folder(self) -> Path:
        return self._installation.folder

    @property
    def ports(self) -> dict[str, int]:
        """The numbers, by listener and by `separate` service."""
        return dict(self._installation.ports)

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """Trusts the sandbox's certificate authority and nothing else."""
        return ssl.create_default_context(cafile=str(self._installation.certificates.authority))

    def close(self) -> None:
        """Stops serving and frees the ports. May be called twice."""
        loop, task = self._loop, self._task
        if loop is not None and task is not None and self._thread.is_alive():
            with contextlib.suppress(RuntimeError):  # the loop may end just now
                loop.call_soon_threadsafe(task.cancel)
        self._thread.join()
        self._installation.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # handed to the thread that waits
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with running(self._installation):
            self._ready.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


def start_sandbox(options: SandboxOptions | None = None) -> RunningSandbox:
    """Starts the sandbox in a thread; returns once all listeners accept. Raises PortInUseError."""
    return RunningSandbox(install(options or SandboxOptions()))
