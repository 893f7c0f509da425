"""Starting the sandbox: four listeners, in this process or in a thread of a test.

    idaas             TLS    IDaaS and its Developer API, for SDKs and agents
    idaas_plain       HTTP   the same on loopback, for the browser; and the control endpoint
    model_studio      TLS    Model Studio, and the MCP servers under /api/v1/mcps/
    function_compute  TLS    the functions behind HTTP triggers

`installation` prepares ports and files, `applications` says what each listener serves.
"""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.agent_files.workload_token_files import WorkloadTokenFiles
from sandbox.authn_method import AuthnMethod, RoleCredentials
from sandbox.generated_secrets import USER_EVENTS_KEY_FILE, write_private
from sandbox.server.applications import applications
from sandbox.server.installation import Installation, SandboxOptions, install, write_files
from sandbox.server.listener import Port, WebServer, run, web_server
from sandbox.state.cloud import Cloud

__all__ = ["Installation", "RunningSandbox", "SandboxOptions", "install", "running", "serve", "start_sandbox"]

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


@contextlib.asynccontextmanager
async def running(installation: Installation) -> AsyncIterator[Collection[WebServer]]:
    """Serves within the block, in the running event loop, by these servers."""
    by_listener = applications(installation.cloud)
    by_listener |= {
        name: by_listener[LISTENERS[name]] for name in installation.listeners if name in LISTENERS
    }
    servers: dict[socket.socket, WebServer] = {
        installation.listeners[name]: web_server(
            app, None if LISTENERS.get(name, name) == "idaas_plain" else installation.certificates
        )
        for name, app in by_listener.items()
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
        yield servers.values()
    finally:
        renewing.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        for stop in installation.cloud.stops:
            await stop()


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
            installation.cloud.faults.on_port(service, port.show)


async def serve(options: SandboxOptions, ready: Callable[[Installation], None] = lambda _: None) -> None:
    """Runs the sandbox until cancelled; calls `ready` once all listeners accept. Raises PortInUseError."""
    installation = install(options)
    try:
        async with running(installation):
            ready(installation)
            await asyncio.Event().wait()
    finally:
        installation.close()


_TURNS = 3
"""Turns of the event loop in which what has arrived is read: a connection, its bytes, their request."""


class RunningSandbox:
    """A sandbox in a thread with an event loop of its own. Close it, or use it as a context manager."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._servers: Collection[WebServer] = ()
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
        cloud = self.cloud
        WorkloadTokenFiles(folder, cloud.federation, cloud.settings, cloud.clock)  # written once
        write_private(folder / USER_EVENTS_KEY_FILE, f"{cloud.user_events_key}\n")
        return write_files(folder, cloud, installation.certificates, authn, role_credentials)

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

    def reset(self) -> None:
        """As `Cloud.reset`, after every request has ended: none of before is recorded, or served, later.

        Connections are closed. May be called from any other thread.
        """
        assert self._loop is not None  # noqa: S101 - it serves
        asyncio.run_coroutine_threadsafe(self._reset(), self._loop).result()

    async def _reset(self) -> None:
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for server in self._servers:
            await server.end_requests()
        self.cloud.reset()

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
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with running(self._installation) as servers:
            self._servers = servers
            self._ready.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


def start_sandbox(options: SandboxOptions | None = None) -> RunningSandbox:
    """Starts the sandbox in a thread; returns once all listeners accept. Raises PortInUseError."""
    return RunningSandbox(install(options or SandboxOptions()))
