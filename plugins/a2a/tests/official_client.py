"""The official client of A2A, unchanged, for one user of a served agent."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from a2a.client import A2ACardResolver, Client, ClientCallContext, ClientConfig, ClientFactory
from a2a.client.auth import AuthInterceptor, InMemoryContextCredentialStore
from a2a.types import a2a_pb2 as a2a
from google.protobuf.json_format import MessageToDict, ParseDict

from plugins.a2a.agent_card import SCHEME
from tests.loopback import NO_TLS

SESSION = ClientCallContext(state={"sessionId": "session"})
"""The calls of the client that carries the user's access token."""


class OfficialClient:
    """Its requests, by their members as JSON."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def send(self, *parts: Any, **members: Any) -> list[dict[str, Any]]:
        """A message of `parts`, each text or data, and the updates that it leads to."""
        return [update async for update in self.updates(*parts, **members)]

    async def updates(
        self, *parts: Any, configuration: Any = None, message_id: str = "m-1", **members: str
    ) -> AsyncIterator[dict[str, Any]]:
        """The same, one by one."""
        message = {
            "messageId": message_id,
            "role": "ROLE_USER",
            "parts": [{"text": part} if isinstance(part, str) else {"data": part} for part in parts],
            **members,
        }
        given = ParseDict(
            {"message": message, "configuration": configuration or {}}, a2a.SendMessageRequest()
        )
        async for update in self.client.send_message(given, context=SESSION.model_copy(deep=True)):
            yield MessageToDict(update)

    async def get(self, task_id: str, **members: int) -> dict[str, Any]:
        """`GetTask`."""
        request = a2a.GetTaskRequest(id=task_id, **members)
        found: dict[str, Any] = MessageToDict(
            await self.client.get_task(request, context=SESSION.model_copy(deep=True))
        )
        return found

    async def list(self, **members: Any) -> dict[str, Any]:
        """`ListTasks`."""
        request = ParseDict(members, a2a.ListTasksRequest())
        page: dict[str, Any] = MessageToDict(
            await self.client.list_tasks(request, context=SESSION.model_copy(deep=True))
        )
        return page

    async def cancel(self, task_id: str) -> dict[str, Any]:
        """`CancelTask`."""
        request = a2a.CancelTaskRequest(id=task_id)
        ended: dict[str, Any] = MessageToDict(
            await self.client.cancel_task(request, context=SESSION.model_copy(deep=True))
        )
        return ended

    async def follow(self, task_id: str) -> AsyncIterator[dict[str, Any]]:
        """`SubscribeToTask`."""
        request = a2a.SubscribeToTaskRequest(id=task_id)
        async for update in self.client.subscribe(request, context=SESSION.model_copy(deep=True)):
            yield MessageToDict(update)


ClientOf = Callable[..., Awaitable[OfficialClient]]
"""`await client(served, user=…, streaming=…)`, of the fixture `client`."""


@asynccontextmanager
async def official_client(
    origin: str, token: str | None, *, streaming: bool = True, version: str = "1.0"
) -> AsyncIterator[OfficialClient]:
    """A client that has read the agent's card, of which it knows the interface of `version`."""
    credentials = InMemoryContextCredentialStore()
    if token is not None:
        await credentials.set_credentials("session", SCHEME, token)
    async with httpx.AsyncClient(timeout=30, trust_env=False, verify=NO_TLS) as http:
        factory = ClientFactory(ClientConfig(streaming=streaming, httpx_client=http))
        card = await A2ACardResolver(http, origin).get_agent_card()
        known = [each for each in card.supported_interfaces if each.protocol_version == version]
        del card.supported_interfaces[:]
        card.supported_interfaces.extend(known)
        yield OfficialClient(factory.create(card, [AuthInterceptor(credentials)]))
