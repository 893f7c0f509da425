"""The process may open as many files as the system allows it."""

import json
import subprocess
import sys

import pytest

from agent.http.web_server import MOST

SCRIPT = """
import json, resource
from agent.http.web_server import raise_open_files_limit
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, hard))
print(json.dumps([raise_open_files_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], hard]))
"""


@pytest.mark.parametrize("soft", [256, 1024])
def test_limit_of_open_files_is_raised_to_what_the_system_allows(soft):
    script = SCRIPT.format(soft=soft)
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own
    returned, limit, hard = json.loads(ran.stdout)
    assert returned == limit == (MOST if hard < 0 else min(hard, MOST))
