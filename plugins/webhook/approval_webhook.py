"""Announces open approvals to an address of the operator's, by Standard Webhooks.

The message is signed, and its link decides nothing: a decision needs a person's access token.
"""

import asyncio
import base64
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from agent.background import end_tasks
from agent.composition.service_parts import ServiceParts
from graph.approvals.announced_question import AnnouncedQuestion
from graph.approvals.request import approval_of
from identity.errors import UnavailableError
from identity.printable import rfc3339
from plugins.webhook.variables import WebhookVariables, webhook_key

_LOG: Final = logging.getLogger("idaas_agent.approvals")
_SECONDS: Final = 15.0
_PAUSES: Final = (1.0, 5.0, 30.0, 120.0, 300.0)
"""Seconds between attempts."""
_MOST: Final = 200
"""Messages that wait for an attempt. Others are dropped."""
_SHOWN: Final = (
    "id",
    "service",
    "tool",
    "effect",
    "access_identity",
    "credential_kind",
    "approvers",
    "expires_at",
)


@dataclass(eq=False, slots=True)
class ApprovalWebhook:
    """Sends one message for each question, again until a response is 2xx, the question is no longer open, or
    six attempts have failed. 410 ends all messages until the process ends. No redirect is followed, no
    response is read, and neither the address nor the message is logged.

    Messages are in memory: those of a process that ends are lost. The question itself is not.
    """

    variables: WebhookVariables  # with APPROVAL_WEBHOOK_URL
    http: httpx.AsyncClient
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    _sending: set[asyncio.Task[None]] = field(init=False, default_factory=set)
    _is_gone: bool = field(init=False, default=False)
    _key: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        assert self.variables.approval_webhook_secret_file  # noqa: S101 - it is required with the URL
        self._key = webhook_key(self.variables.approval_webhook_secret_file)

    def announce(self, question: AnnouncedQuestion) -> None:
        """Begins to send the message about `question`, without waiting."""
        if self._is_gone:
            return
        if len(self._sending) >= _MOST:
            _LOG.warning("an approval is not announced: %d messages wait", _MOST)
            return
        sending = asyncio.create_task(self._send(question), name="approval webhook")
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def aclose(self) -> None:
        """Stops sending."""
        await end_tasks(*self._sending)

    def _body(self, question: AnnouncedQuestion) -> bytes:
        request = question.pending.request
        members = approval_of(question.pending)
        data: dict[str, Any] = {name: members[name] for name in _SHOWN}
        data["text"] = question.text
        data["asker"] = {"iss": request.principal.issuer, "sub": request.principal.subject}
        data["url"] = f"{self.variables.approval_webhook_page}#approval={request.id}"
        data["prepared_by"] = question.members.get("prepared_by")
        of_user_alone = request.approvers is None and bool(request.read)
        if self.variables.approval_webhook_arguments and not of_user_alone:
            data["arguments"] = members["arguments"]
        message = {"type": "approval.requested", "timestamp": rfc3339(request.created_at), "data": data}
        return json.dumps(message, separators=(",", ":")).encode()

    async def _send(self, question: AnnouncedQuestion) -> None:
        request = question.pending.request
        body = self._body(question)
        message_id = f"msg_{request.id}"
        failure = ""
        for pause in (0.0, *_PAUSES):
            if self._is_gone or self.clock() + pause >= request.expires_at:
                break
            if pause:
                await self.sleep(pause)
            try:
                async with asyncio.timeout(_SECONDS):
                    if not await question.is_open():
                        return
                    status = await self._attempt(message_id, body)
            except (httpx.HTTPError, TimeoutError, UnavailableError) as error:
                failure = type(error).__name__
                continue
            if 200 <= status < 300:
                return
            failure = f"HTTP {status}"
            self._is_gone = self._is_gone or status == 410
        _LOG.warning("an approval was not announced: %s", failure or "it has expired")

    async def _attempt(self, message_id: str, body: bytes) -> int:
        timestamp = str(int(self.clock()))
        signed = b".".join((message_id.encode(), timestamp.encode(), body))
        signature = base64.b64encode(hmac.digest(self._key, signed, "sha256")).decode()
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": f"v1,{signature}",
        }
        async with self.http.stream(
            "POST", self.variables.approval_webhook_url or "", content=body, headers=headers
        ) as response:
            return response.status_code


def approval_webhook(parts: ServiceParts) -> ApprovalWebhook | None:
    """The webhook of APPROVAL_WEBHOOK_URL."""
    variables = parts.settings.of(WebhookVariables)
    if variables.approval_webhook_url is None:
        return None
    return ApprovalWebhook(variables, parts.http, parts.clock)
