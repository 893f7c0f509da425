"""Account synchronization: IDaaS reports changes of users to an application's callback URL."""

import asyncio
import base64
import json
import secrets
from functools import cached_property
from typing import Any

import httpx
from joserfc import jwe, jwk, jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.addresses import INSTANCE, PROVISIONING_PATH, SYNCHRONIZED_APPLICATION
from sandbox.state.cloud import Cloud
from sandbox.state.directory import User
from sandbox.state.signing_keys import new_key

_PREFIX = "urn:alibaba:idaas:app:event:"
_SECONDS, _ATTEMPTS, _PAUSE_SECONDS = 10.0, 5, 0.5


class AccountSynchronization:
    """The sender. Each event is one request: a JWS by the application's own key, and within it a JWE if
    there is a key.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    @cached_property
    def key(self) -> jwk.RSAKey:
        """The application's signing key; not the authorization server's."""
        return new_key()

    def application(self) -> Starlette:
        """Serves the application's `ProvisionJwksEndpoint`."""
        return Starlette(routes=[Route(f"{PROVISIONING_PATH}/jwks", self.jwks)])

    async def jwks(self, request: Request) -> Response:  # noqa: ARG002 - the same for all clients
        """The keys, without `alg`, as IDaaS publishes them."""
        self._cloud.counters.count("idaas", "provisioning_jwks")
        members = {name: value for name, value in self.key.as_dict(private=False).items() if name != "alg"}
        return JSONResponse({"keys": [members]})

    def event(self, kind: str, user: User, **record: str) -> dict[str, str]:
        """One event: numbers as texts, the record as JSON in a text. Of a deletion there is only the id."""
        known = {
            "username": user.name,
            "displayName": user.display_name,
            "status": "disabled" if user.subject in self._cloud.directory.disabled else "enabled",
            "lockExpireTime": "-1",
            "accountExpireTime": "-1",
        }
        members = {"userId": user.subject} | ({} if kind == "ud:user:delete" else known) | record
        return {
            "eventId": f"evnt_{secrets.token_hex(16)}",
            "eventTime": str(round(self._cloud.clock() * 1000)),
            "eventType": f"{_PREFIX}{kind}",
            "bizId": user.subject,
            "bizData": json.dumps(members),
        }

    def request(self, *events: dict[str, Any] | str) -> dict[str, str]:
        """The body of a request with these events; a text takes the place of an event as it is."""
        listed = ",".join(event if isinstance(event, str) else json.dumps(event) for event in events)
        data = {
            "instanceId": INSTANCE,
            "eventVersion": "V1.0",
            "aliUid": "1000000000000000",
            "eventData": f"[{listed}]",
        }
        now = int(self._cloud.clock())
        key = self._cloud.user_events_key
        claims: dict[str, Any] = {
            "iss": "urn:alibaba:idaas:app:event",
            "sub": INSTANCE,
            "aud": SYNCHRONIZED_APPLICATION,
            "exp": now + 1800,
            "iat": now,
            "jti": base64.urlsafe_b64encode(secrets.token_bytes(16)).rstrip(b"=").decode(),
            "dataEncrypted": key is not None,
            "plainData": "" if key else data,
        }
        if key is not None:
            protected = {"alg": "dir", "enc": "A256GCM"}
            secret = jwk.OctKey.import_key(bytes.fromhex(key))
            claims["cipherData"] = jwe.encrypt_compact(protected, json.dumps(data), secret)
        header = {"kid": self.key.kid, "typ": "JWT", "alg": "RS256"}
        return {"event": jwt.encode(header, claims, self.key)}

    async def send(self, kind: str, user: User, **record: str) -> dict[str, Any]:
        """Sends an event, up to five times until the response is 200 and does not request a retry.

        Returns the last response, or `{"error": …}`.
        """
        event = self.event(kind, user, **record)
        outcome: dict[str, Any] = {"error": "not sent"}
        async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as http:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    await asyncio.sleep(_PAUSE_SECONDS)
                try:
                    response = await http.post(self._cloud.user_events_url, json=self.request(event))
                except httpx.HTTPError as error:
                    outcome = {"error": f"no response: {type(error).__name__}"}
                    continue
                if response.status_code != httpx.codes.OK:
                    outcome = {"error": f"status {response.status_code}"}
                    continue
                outcome = response.json()
                if not outcome.get("retriedEvents"):
                    break
        return outcome
