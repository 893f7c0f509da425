"""`GET /.well-known/audit-keys`: the public keys of receipts, for everybody."""

import asyncio
from typing import Final

from fastapi import APIRouter
from starlette.responses import PlainTextResponse

from agent.api.surface import Surface
from agent.composition.agent import Agent
from plugins.receipts.signed_log import SignedLog, signed_folder

PATH: Final = "/.well-known/audit-keys"


def routes(agent: Agent) -> APIRouter:
    """The route. It reads the file each time: another process signs."""
    router = APIRouter()
    folder = signed_folder(agent.settings)

    @router.head(PATH, include_in_schema=False)
    @router.get(PATH, response_class=PlainTextResponse)
    async def audit_keys() -> PlainTextResponse:
        """All public keys that have signed the audit log, the earliest first, one on each line. Empty if none
        has.
        """
        keys = [] if folder is None else await asyncio.to_thread(SignedLog(folder, "").keys)
        return PlainTextResponse("".join(f"{key}\n" for key in keys))

    return router


AUDIT_KEYS: Final = Surface(name="audit-keys", routes=routes, public_paths=frozenset({PATH}))
