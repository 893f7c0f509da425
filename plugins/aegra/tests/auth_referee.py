"""Aegra's own tests of authentication, against Aegra behind the guards.

The tests send tokens that they make up, `mock-jwt-<user>-<role>-<team>`: on the way each becomes the access
token of that user. They import the address of the server from Aegra's settings, for which a module stands in.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx

from plugins.aegra.tests.apart.aegra_process import aegra
from tests.databases.postgres_process import postgres_process
from tests.databases.redis_process import redis_process
from tests.loopback import NO_TLS
from tests.referees.junit_report import cases
from tests.referees.referee import Case
from tests.referees.served_agent import referee_sandbox

_MADE_UP: Final = re.compile(r"Bearer mock-jwt-(\w+)-")
_POLL: Final = 0.02
"""Seconds after which the proxy sees that it is to end."""
_OF_CONNECTION: Final = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "accept-encoding"}
)
_SETTINGS: Final = """import os


class settings:
    class app:
        SERVER_URL = os.environ["REFEREE_SERVER"]
"""


def run(folder: Path) -> Iterable[Case]:
    """The tests that need a server with authentication."""
    suite = folder / "libs" / "aegra-api"
    with ExitStack() as stack:
        sandbox, files = stack.enter_context(referee_sandbox())
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="aegra-"))
        postgres = stack.enter_context(postgres_process(password="postgres-password"))
        redis = stack.enter_context(redis_process(Path(name)))
        server = stack.enter_context(aegra(sandbox, files, postgres, redis, {}))
        users = sandbox.cloud.directory.users

        def authorization(sent: str) -> str:
            return presented(sent, users, sandbox.access_token)

        url = stack.enter_context(proxy(server.url, authorization))
        tests = ["tests/e2e/manual_auth_tests"]
        yield from played(suite, tests, url, Path(name), seconds=60)


def presented(sent: str, users: Container[str], token_of: Callable[[str], str]) -> str:
    """The header `Authorization` for the one that a test sends: of a made-up token, that of its user. A user
    who is none of `users` is Bob.
    """
    found = _MADE_UP.match(sent)
    if found is None:
        return sent
    user = found[1] if found[1] in users else "bob"
    return f"Bearer {token_of(user)}"


@contextmanager
def proxy(url: str, authorization: Callable[[str], str]) -> Iterator[str]:
    """The address of a proxy to `url`, which replaces the header `Authorization`."""
    with httpx.Client(base_url=url, verify=NO_TLS, timeout=60) as http:

        class Handler(BaseHTTPRequestHandler):
            def _pass(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                headers = {n: v for n, v in self.headers.items() if n.lower() not in _OF_CONNECTION}
                if "Authorization" in headers:
                    headers["Authorization"] = authorization(headers["Authorization"])
                response = http.request(
                    self.command, self.path, headers=headers, content=self.rfile.read(size)
                )
                self.send_response(response.status_code)
                for name, value in response.headers.items():
                    if name not in _OF_CONNECTION and name != "content-encoding":
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(response.content)))
                self.end_headers()
                self.wfile.write(response.content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass  # noqa: N815 - the base's names

            def log_message(self, *_: Any) -> None:
                """Nothing is logged."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever, args=(_POLL,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def played(suite: Path, tests: Sequence[str], url: str, files: Path, *, seconds: int) -> Iterable[Case]:
    """The cases of Aegra's `tests`, paths in `suite`, against the server at `url`. Each has `seconds`."""
    stand_in = files / "stand-in" / "aegra_api"
    stand_in.mkdir(parents=True)
    (stand_in / "__init__.py").touch()
    (stand_in / "settings.py").write_text(_SETTINGS)
    report = files / "report.xml"
    command = [sys.executable, "-m", "pytest", *tests, "--noconftest", "-q"]
    command += ["-o", "addopts=", "-o", "asyncio_mode=auto", f"--timeout={seconds}", f"--junitxml={report}"]
    command += ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line"]
    given = os.environ | {"PYTHONPATH": str(stand_in.parent), "REFEREE_SERVER": url}
    subprocess.run(command, check=False, cwd=suite, env=given, capture_output=True)  # noqa: S603 - our own command
    yield from cases("behind the guards", report)
