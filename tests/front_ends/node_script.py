"""Runs scripts of this folder with Node, which drive published clients of the agent."""

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
NODE = shutil.which("node") or "node"


async def run_node(script: str, **arguments: Any) -> Any:
    """The JSON that `script` (a path within this folder) prints; it reads `arguments` as JSON from stdin."""
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(FOLDER / script),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(json.dumps(arguments).encode()), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()
    return json.loads(output)


class NodeScript:
    """A script of this folder, started once: for each line of JSON it prints one."""

    def __init__(self, script: str) -> None:
        command = [NODE, str(FOLDER / script)]
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    async def __call__(self, **arguments: Any) -> Any:
        """What it prints for `arguments`."""
        printed = asyncio.create_task(asyncio.to_thread(self._ask, json.dumps(arguments)))
        if not (await asyncio.wait([printed], timeout=60))[0]:
            self.close()
        line = await printed
        assert line, "the script ended, or took longer than a minute: its errors are on stderr"
        return json.loads(line)

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        print(line, file=self._process.stdin, flush=True)
        return self._process.stdout.readline()

    def close(self) -> None:
        """Ends it."""
        self._process.kill()
        self._process.wait()
