"""A cluster: the sandbox cloud, PostgreSQL, Redis, replicas of the agent, a balancer and the page."""

import asyncio
import base64
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.http.web_server import listen, web_server
from cluster.balancer import Balancer
from cluster.replica import Replica
from cluster.replicated_postgres import ReplicatedPostgres, replicated_postgres
from sandbox.commands.page_server import page_application
from sandbox.commands.sandbox_options import PageGrant, sandbox_page_config
from sandbox.server.server import RunningSandbox, SandboxOptions, start_sandbox
from sandbox.state.directory import AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, LEAVE_PERMISSIONS
from tests.databases.postgres_process import PostgresProcess
from tests.databases.redis_process import RedisProcess, redis_process
from tests.loopback import free_port

_FRONTEND: Final = Path(__file__).resolve().parents[1] / "frontend"

PEOPLE: Final = ("alice", "bob", "chen", "dara", "emil", "fatima", "goran", "hana", "ivan", "june")
"""Users of the sandbox: the built-in two, and those that the cluster adds."""

_PERMISSIONS: Final = [
    f"{ENTERPRISE_AUDIENCE}|service.invoke",
    *(f"{LEAVE_AUDIENCE}|{name}" for name in LEAVE_PERMISSIONS),
]
USERS: Final = "\n".join(f"[users.{name}]\npermissions = {_PERMISSIONS}\n" for name in PEOPLE[2:])


@dataclass(frozen=True)
class Ports:
    """Of the balancer, the page and the browser's IDaaS. 0 lets the system choose."""

    balancer: int = 0
    page: int = 0
    idaas: int = 0


@dataclass(frozen=True)
class Cluster:
    """All parts, running. Each may be stopped and started again."""

    folder: Path
    sandbox: RunningSandbox
    database: ReplicatedPostgres
    redis: RedisProcess
    replicas: tuple[Replica, ...]
    balancer: Balancer
    page: str
    """The page's address."""

    @property
    def postgres(self) -> PostgresProcess:
        """The server that is in service."""
        return self.database.primary

    @property
    def address(self) -> str:
        """Of the balancer."""
        return f"http://localhost:{self.balancer.port}"

    def token(self, user: str) -> str:
        """A new access token of a user."""
        return self.sandbox.cloud.user_token(user, claims={"jti": secrets.token_hex(8)})

    def replica_at(self, port: int | None) -> Replica | None:
        """The replica that listens on `port`."""
        return next((replica for replica in self.replicas if replica.port == port), None)

    def audit_logs(self) -> list[Path]:
        """The audit log of each replica."""
        return [self.folder / f"{replica.name}.audit.jsonl" for replica in self.replicas]


@asynccontextmanager
async def cluster(
    replicas: int = 2, ports: Ports = Ports(), variables: Mapping[str, str] | None = None
) -> AsyncIterator[Cluster]:
    """Starts the parts, and stops them at the end. `variables` are added to the environment of replicas.

    Conversations are in PostgreSQL, what replicas share at run time is in Redis, and services are called
    under Human identity. Files are in a temporary folder.
    """
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="idaas-agent-cluster-")))
        (configuration := folder / "sandbox.toml").write_text(USERS)
        page_listener = parts.enter_context(listen("127.0.0.1", ports.page, "the page", "PAGE_PORT"))
        page = f"http://localhost:{page_listener.getsockname()[1]}"
        sandbox = parts.enter_context(
            start_sandbox(
                SandboxOptions(
                    folder=folder / "sandbox",
                    config=configuration,
                    page_origins=(page, page.replace("localhost", "127.0.0.1")),
                    idaas_port=0,
                    idaas_plain_port=ports.idaas,
                    model_studio_port=0,
                    function_compute_port=0,
                )
            )
        )
        redis = parts.enter_context(redis_process(folder))
        key = folder / "conversations.key"
        key.write_text(base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        key.chmod(0o600)
        numbers = [free_port() for _ in range(replicas)]
        async with Balancer(numbers, ports.balancer) as balancer, replicated_postgres(fast=False) as database:
            given = sandbox.environment | {
                "ACCESS_IDENTITY": "Human",
                "AGENT_PUBLIC_URL": f"http://localhost:{balancer.port}",
                "CONVERSATIONS_KEY_FILE": str(key),
                "CONVERSATIONS_URL": database.url,
                "CORS_ALLOWED_ORIGINS": f"{page},{page.replace('localhost', '127.0.0.1')}",
                "LOG_LEVEL": "warning",
                "MAX_REQUESTS_PER_MINUTE": "10000",
                "REDIS_URL": redis.url,
                "SHUTDOWN_DELAY_SECONDS": "0",  # the balancer asks another replica after a refusal
                "SHUTDOWN_SECONDS": "3",
                **(variables or {}),
            }
            started = tuple(
                Replica(
                    f"replica-{number}",
                    port,
                    given | {"AUDIT_LOG_FILE": str(folder / f"replica-{number}.audit.jsonl")},
                    folder / f"replica-{number}.log",
                )
                for number, port in enumerate(numbers, start=1)
            )
            for replica in started:
                parts.callback(replica.stop)
                replica.start()
            await asyncio.gather(*(replica.ready() for replica in started))
            made = Cluster(folder, sandbox, database, redis, started, balancer, page)
            config = sandbox_page_config(
                sandbox.cloud.addresses,
                PageGrant.CODE,
                agent_url=made.address,
                scope=f"{AGENT_AUDIENCE}|agent.access",
            )
            server = web_server(page_application(_FRONTEND, config), lifespan=False)
            serving = asyncio.create_task(server.serve([page_listener]))
            try:
                yield made
            finally:
                server.stop_at_once()
                await serving
                # In threads: the database is reached through this event loop.
                await asyncio.gather(*(asyncio.to_thread(replica.stop) for replica in started))
