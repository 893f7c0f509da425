"""IDaaS: the unchanged sandbox with many additional users.

    python -m benchmarks.servers.cloud FOLDER PLAIN_PORT USERS

The users are `user0`, `user1`, …, with bob's rights. `environment.json` in the folder has the variables of an
agent.
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

from sandbox.server.server import SandboxOptions, install, running
from sandbox.state.cloud import Cloud
from sandbox.state.directory import Directory, User


class LargeDirectory(Directory):
    """A directory that finds users by subject in constant time."""

    __slots__ = ()

    def user_by_subject(self, subject: str) -> User | None:
        """Looks up the names of `add_users` directly; other subjects as in `Directory`."""
        return self.users.get(subject) or super().user_by_subject(subject)


def add_users(cloud: Cloud, number: int) -> None:
    """Adds users whose subject is their name, each with bob's rights."""
    directory = cloud.directory
    bob = directory.users["bob"].subject
    rights = [(audience, permission) for holder, audience, permission in directory.people if holder == bob]
    names = [f"user{index}" for index in range(number)]
    directory.users.update((name, User(name, name, name, "")) for name in names)
    directory.people.update((name, *right) for name in names for right in rights)
    directory.__class__ = LargeDirectory
    for identifier in ("llm_api_key", "amap_api_key"):
        entry = cloud.vault.find(identifier)
        assert entry is not None
        entry.readers.update(names)


async def serve(folder: Path, port: int, users: int) -> None:
    """Serves on loopback until the process ends."""
    installation = install(
        SandboxOptions(
            folder=folder, idaas_port=0, idaas_plain_port=port, model_studio_port=0, function_compute_port=0
        )
    )
    add_users(installation.cloud, users)
    (folder / "environment.json").write_text(json.dumps(installation.environment))
    async with running(installation):
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
