"""Runs scripts of this folder with Node, which drive published clients of the agent."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent
NODE = shutil.which("node") or "node"


class NodeScript:
    """A script (a path within this folder), started once: it prints a line of JSON for each that it reads."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [NODE, str(FOLDER / script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    async def __call__(self, **arguments: Any) -> Any:
        """What it prints for `arguments`."""
        printed = asyncio.create_task(asyncio.to_thread(self._ask, json.dumps(arguments)))
        if not (await asyncio.wait([printed], timeout=60))[0]:
            self._process.kill()  # which ends the line
        line = await printed
        assert line, "the script ended, or took longer than a minute; its errors are on stderr"
        return json.loads(line)

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()


async def run_node(script: str, **arguments: Any) -> Any:
    """The JSON that `script` prints; it reads `arguments` as JSON from stdin."""
    command, given = [NODE, str(FOLDER / script)], json.dumps(arguments)
    done = await asyncio.to_thread(
        subprocess.run, command, input=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
