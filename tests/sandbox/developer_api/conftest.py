"""A session of the vendor's SDK, in a process of its own."""

import json
import os
import subprocess
import sys

import pytest


@pytest.fixture
def sdk(sandbox):
    """Runs a script with arguments, and returns the JSON that it prints."""

    def run(script, *arguments):
        done = subprocess.run(  # noqa: S603 - a script of the tests
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, "SSL_CERT_FILE": sandbox.environment["SSL_CERT_FILE"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
