"""Aegra's own end-to-end tests, against Aegra behind the guards with the agent's graph.

Their graphs ask OpenAI's models. The agent's graph has the name of the first of them, `agent`, and answers as
the sandbox's model does. The tests send no token: a request without one is Alice's.
"""

import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from plugins.aegra.tests.apart.aegra_process import aegra
from plugins.aegra.tests.auth_referee import played
from tests.databases.postgres_process import postgres_process
from tests.databases.redis_process import redis_process
from tests.referees.referee import Case
from tests.referees.served_agent import referee_sandbox

_APPLICATION: Final = "plugins.aegra.tests.apart.e2e_application:app"
_SECONDS: Final = 30
_TESTS: Final = ("assistants", "runs", "threads", "streaming", "event_streaming", "store", "crons")
"""Without those of other graphs of its examples: of factories, of people in the loop, of own routes."""
_WITHIN: Final = ("runs/test_run_reconciliation_e2e", "runs/test_worker_e2e", "threads/test_thread_deletion")
"""They import Aegra's own functions and tables."""


def run(folder: Path) -> Iterable[Case]:
    """The tests that ask one server over HTTP."""
    with ExitStack() as stack:
        sandbox, files = stack.enter_context(referee_sandbox())
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="aegra-"))
        postgres = stack.enter_context(postgres_process(password="postgres-password"))
        redis = stack.enter_context(redis_process(Path(name)))
        token = files / "token"
        token.write_text(sandbox.access_token(), encoding="utf-8")
        variables = {"REFEREE_TOKEN_FILE": str(token)}
        server = stack.enter_context(
            aegra(sandbox, files, postgres, redis, variables, application=_APPLICATION)
        )
        server.start(workers=2)
        tests = [f"tests/e2e/test_{part}" for part in _TESTS]
        tests += [f"--ignore=tests/e2e/test_{part}.py" for part in _WITHIN]
        suite = folder / "libs" / "aegra-api"
        yield from played(suite, tests, server.url, Path(name), seconds=_SECONDS)
