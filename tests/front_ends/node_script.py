"""Runs a script of this folder with Node, which drives a published client of the agent."""

import asyncio
import json
import shutil
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
