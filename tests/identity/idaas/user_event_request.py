"""Requests of user events as IDaaS sends them, with any fault."""

import json
from typing import Any

from joserfc import jwe
from joserfc.jwk import OctKey

INSTANCE = "idaas_sandbox01"
APPLICATION = "app_sandbox01"
KEY = bytes(range(32)).hex()
OTHER_KEY = bytes(range(1, 33)).hex()


def event(kind: str, *, time: float, user: str = "user_alice01", **record: Any) -> dict[str, Any]:
    """One event, with numbers as texts and the record as JSON in a text."""
    return {
        "eventId": f"evnt_{kind}",
        "eventTime": str(int(time * 1000)),
        "eventType": f"urn:alibaba:idaas:app:event:{kind}",
        "bizId": user,
        "bizData": json.dumps({"userId": user, **record}),
    }


def data(*events: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"instanceId": INSTANCE, "eventVersion": "V1.0", "eventData": json.dumps(events), **members}


def encrypted(content: dict[str, Any], key: str = KEY, **header: Any) -> str:
    protected = {"alg": "dir", "enc": "A256GCM", **header}
    return jwe.encrypt_compact(protected, json.dumps(content), OctKey.import_key(bytes.fromhex(key)))


def request(issuer: Any, content: Any, *, header: dict[str, Any] | None = None, **claims: Any) -> bytes:
    """The body of a request. A claim of `...` (Ellipsis) is left out."""
    now = int(issuer.clock.now)
    members = {
        "iss": "urn:alibaba:idaas:app:event",
        "sub": INSTANCE,
        "aud": APPLICATION,
        "exp": now + 1800,
        "iat": now,
        "jti": "AAAAAAAAAAAAAAAAAAAAAA",
        "dataEncrypted": False,
        "plainData": content,
        **claims,
    }
    payload = json.dumps({name: value for name, value in members.items() if value is not ...})
    return json.dumps({"event": issuer.token(header=header, payload=payload.encode())}).encode()


def encrypted_request(issuer: Any, content: dict[str, Any], key: str = KEY, **header: Any) -> bytes:
    return request(issuer, "", dataEncrypted=True, cipherData=encrypted(content, key, **header))
