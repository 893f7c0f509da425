"""A real PostgreSQL on a free port of loopback, with its data in a temporary folder."""

import base64
import contextlib
import hashlib
import hmac
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from tests.loopback import free_port
from tests.until import wait_until

_USER = "agent"
_UNPRIVILEGED = 65534
_SMALL = {"shared_buffers": "16MB", "max_connections": "60"}
_FAST = {"fsync": "off", "full_page_writes": "off"}
"""Its data outlast the server, and need not outlast a failure of power."""


def programs() -> Path:
    """The folder of the server's programs: Debian's newest version, or that of the search path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    if found:
        return found[-1].parent
    initdb = shutil.which("initdb")
    assert initdb, "PostgreSQL was not found: scripts/ensure-postgresql installs it"
    return Path(initdb).resolve().parent


@dataclass
class PostgresProcess:
    """`stop` ends the server as a failure would, and keeps its data; `start` starts it on the same port."""

    folder: Path
    port: int
    password: str | None = None
    fast: bool = True
    _options: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.url_of("conversations")

    def url_of(self, database: str) -> str:
        password = f":{self.password}" if self.password else ""
        return f"postgresql://{_USER}{password}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the running server; those of its connections are its children."""
        return int((self._data / "postmaster.pid").read_text().split("\n", 1)[0])

    def create(self) -> None:
        """Makes the data and the database `conversations`, and starts the server."""
        self._run_unprivileged()
        authentication = ["--auth", "trust"]
        if self.password:
            file = self.folder / "password"
            file.write_text(self.password)
            file.chmod(0o644)
            authentication = ["--auth", "scram-sha-256", "--pwfile", str(file)]
        options = ["--username", _USER, "--encoding", "UTF8", "--locale", "C", "--no-sync"]
        self._run("initdb", "--pgdata", str(self._data), *options, *authentication)
        self.start()
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if self.password:
                connection.execute(f"ALTER ROLE {_USER} PASSWORD '{_scram_secret(self.password)}'")
            connection.execute("CREATE DATABASE conversations")

    def start(self) -> None:
        """Returns when it accepts connections."""
        settings = {
            **_SMALL,
            **(_FAST if self.fast else {}),
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
        }
        given = " ".join(f"-c {name}='{value}'" for name, value in settings.items())
        log = ["--log", str(self.folder / "log")]
        self._run(
            "pg_ctl", "start", "--wait", "--silent", "--pgdata", str(self._data), *log, "--options", given
        )

    def stop(self) -> None:
        """The server is gone, and its connections with it."""
        if (self._data / "postmaster.pid").exists():
            self._run(
                "pg_ctl", "stop", "--wait", "--silent", "--mode", "immediate", "--pgdata", str(self._data)
            )

    @contextlib.contextmanager
    def hanging(self) -> Iterator[None]:
        """The server accepts connections and what is sent, and responds to nothing, until the block ends."""
        server = self.pid
        stopped = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
        _send(signal.SIGSTOP, stopped)
        try:
            yield
        finally:
            _send(signal.SIGCONT, stopped)

    def _run_unprivileged(self) -> None:
        if os.geteuid() == 0:  # initdb and the server refuse root
            user = pwd.getpwuid(_UNPRIVILEGED)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(programs() / program), *arguments]
        subprocess.run(  # noqa: S603 - fixed arguments
            command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, **self._options,
        )  # fmt: skip


def _scram_secret(password: str) -> str:
    """What the server keeps for SCRAM-SHA-256 (RFC 5803), with one iteration: thousands of them, at both ends
    of each connection, take longer than what most tests ask the server.
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    salt_text, stored, server = (base64.b64encode(part).decode() for part in (salt, stored_key, server_key))
    return f"SCRAM-SHA-256$1:{salt_text}${stored}:{server}"


def _send(number: signal.Signals, processes: Iterable[int]) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.kill(process, number)


class PostgresStandby(PostgresProcess):
    """A server that receives what `primary` writes, until it is cut off or promoted. It can be read."""

    def create_from(self, primary: PostgresProcess) -> None:
        """Copies the data of the running `primary`, and starts the server."""
        self._run_unprivileged()
        source = primary.url_of("postgres")
        copied = ["--pgdata", str(self._data), "--wal-method", "stream", "--checkpoint", "fast", "--no-sync"]
        self._run("pg_basebackup", "--dbname", source, "--write-recovery-conf", *copied)
        self.start()

    def cut_off(self) -> None:
        """Returns when it receives nothing any more: what `primary` writes from now on, it never has."""
        with self._administered() as connection:
            connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            connection.execute("SELECT pg_reload_conf()")
            receivers = "SELECT count(*) FROM pg_stat_wal_receiver"
            wait_until(lambda: connection.execute(receivers).fetchone() == (0,))

    def catch_up(self, primary: PostgresProcess) -> None:
        """Returns when it has all that `primary` has written until now."""
        with psycopg.connect(primary.url_of("postgres")) as connection:
            row = connection.execute("SELECT pg_current_wal_lsn()").fetchone()
        with self._administered() as connection:
            replayed = "SELECT pg_last_wal_replay_lsn() >= %s"
            wait_until(lambda: connection.execute(replayed, row).fetchone() == (True,))

    def follow_synchronously(self, primary: PostgresProcess) -> None:
        """Returns when it has all that `primary` has written, whose commits wait for it from then on."""
        with psycopg.connect(primary.url_of("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            followed = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            wait_until(lambda: connection.execute(followed).fetchone() == (1,))
        self.catch_up(primary)

    def promote(self) -> None:
        """Returns when it accepts writes."""
        if (self._data / "standby.signal").exists():
            self._run("pg_ctl", "promote", "--wait", "--silent", "--pgdata", str(self._data))

    def _administered(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url_of("postgres"), autocommit=True)


@contextlib.contextmanager
def postgres_process(password: str | None = None, *, fast: bool = True) -> Iterator[PostgresProcess]:
    """Without `fast`, commits are synced to disk."""
    with _folder() as folder:
        server = PostgresProcess(folder, free_port(), password, fast)
        try:
            server.create()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def postgres_standby(primary: PostgresProcess) -> Iterator[PostgresStandby]:
    """A standby of a running server, with a port of its own."""
    with _folder() as folder:
        server = PostgresStandby(folder, free_port(), primary.password, primary.fast)
        try:
            server.create_from(primary)
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Outside of pytest's folder, which only the tests' own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="idaas-agent-postgresql-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
