"""Verifies the request with which IDaaS reports user events: a JWS of JSON, which may be encrypted as a JWE.

Wire: `{"event": "<compact JWS>"}`. The JWS is the whole authentication of the request.
"""

import binascii
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity.access_token.jose_header import read_header
from identity.access_token.jws import parse_compact_jws
from identity.base64url import decode_base64url
from identity.idaas.user_events.user_event import UserEvent
from identity.secrets.secret import Secret
from identity.signing_keys.key_source import KeySource
from identity.strict_json import read_object

_ISSUER: Final = "urn:alibaba:idaas:app:event"
_ALGORITHMS: Final = frozenset({"RS256"})
_LEEWAY: Final = 60.0
_MAX_LIFETIME: Final = 86_400.0
_MAX_EVENTS: Final = 1000
_MAX_TEXT: Final = 255


class EventRefusedError(ValueError):
    """The request is not from IDaaS, or not for this agent. The text names the member and quotes no value."""


class UserEventReader:
    """Reads the events of one IDaaS instance and application.

    Guaranteed for what `read` returns: signed with RS256 by a key of `keys`; `iss` is IDaaS's constant, `aud`
    is `application_id`, `sub` is `instance_id`, in the events too; valid now, within a minute.
    With `key`, the events were encrypted with it; unencrypted events are refused then.

    Not checked: `jti`. IDaaS may repeat an event, with the same `jti` or another: processing an event twice
    must have the effect of processing it once.
    """

    def __init__(
        self,
        *,
        keys: KeySource,
        instance_id: str,
        application_id: str,
        key: Secret | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`key` has 64 hexadecimal digits, as the console shows it. Raises `ValueError` otherwise."""
        self._keys = keys
        self._instance_id = instance_id
        self._application_id = application_id
        self._cipher = None if key is None else AESGCM(encryption_key(key))
        self._clock = clock

    async def read(self, body: bytes) -> Sequence[UserEvent]:
        """The events of a request.

        Raises `EventRefusedError`, or `UnreachableError` (`jwks_unavailable`) if the key cannot be fetched.
        """
        try:
            token = _text(read_object(body), "event", limit=len(body))
            if not token.isascii():
                _refuse("event must be ASCII")
            jws = parse_compact_jws(token)
            header = read_header(jws.header, _ALGORITHMS)
            self._check(jws.payload)
        except ValueError as error:
            raise EventRefusedError(str(error)) from None
        key = await self._keys.find(header.kid, header.algorithm)
        if key is None or not key.verify(jws.signing_input, jws.signature):
            raise EventRefusedError("the signature was not made with a key of the application")
        try:
            return self._events(self._data(jws.payload))
        except ValueError as error:
            raise EventRefusedError(str(error)) from None

    def _check(self, claims: Mapping[str, Any]) -> None:
        expected = {"iss": _ISSUER, "aud": self._application_id, "sub": self._instance_id}
        for name, value in expected.items():
            if claims.get(name) != value:
                _refuse(f'claim "{name}" has another value')
        now, issued, expires = self._clock(), _number(claims, "iat"), _number(claims, "exp")
        if now >= expires + _LEEWAY:
            _refuse('claim "exp" has passed')
        if issued > now + _LEEWAY:
            _refuse('claim "iat" is in the future')
        if expires > issued + _MAX_LIFETIME:
            _refuse('claim "exp" is too far away')
        if self._cipher is not None and claims.get("dataEncrypted") is not True:
            _refuse('claim "dataEncrypted" must be true')

    def _data(self, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        if claims.get("dataEncrypted") is True:
            if self._cipher is None:
                _refuse('claim "dataEncrypted" must be false: no key is configured')
            return read_object(self._decrypt(_text(claims, "cipherData", limit=10_000_000)))
        return _object(claims.get("plainData"), "plainData")

    def _decrypt(self, jwe: str) -> bytes:
        """RFC 7516, section 5.2, for `dir` and `A256GCM` alone."""
        parts = jwe.split(".")
        if len(parts) != 5 or parts[1]:
            _refuse("cipherData must be a compact JWE with a direct key")
        header = read_object(decode_base64url(parts[0]))
        if (header.get("alg"), header.get("enc")) != ("dir", "A256GCM") or {"zip", "crit"} & header.keys():
            _refuse("cipherData must use dir and A256GCM")
        nonce, text, tag = (decode_base64url(part) for part in parts[2:])
        if len(nonce) != 12 or len(tag) != 16 or self._cipher is None:
            _refuse("cipherData has an IV or tag of another length")
        try:
            return self._cipher.decrypt(nonce, text + tag, parts[0].encode("ascii"))
        except InvalidTag:
            raise EventRefusedError("cipherData is not encrypted with the configured key") from None

    def _events(self, data: Mapping[str, Any]) -> Sequence[UserEvent]:
        if data.get("instanceId") != self._instance_id:
            _refuse("instanceId has another value")
        listed = data.get("eventData")
        if isinstance(listed, str):  # strict, like every object within
            listed = read_object(b'{"events":' + listed.encode() + b"}")["events"]
        if not isinstance(listed, list) or len(listed) > _MAX_EVENTS:
            _refuse(f"eventData must be a list of at most {_MAX_EVENTS} events")
        return [_event(event) for event in listed]


def encryption_key(key: Secret) -> bytes:
    """The 32 bytes of 64 hexadecimal digits. Raises `ValueError`, which does not quote them."""
    try:
        decoded = binascii.unhexlify(key.reveal())
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != 32:
        raise ValueError("must have 64 hexadecimal digits")
    return decoded


def _event(event: object) -> UserEvent:
    if not isinstance(event, dict):
        raise EventRefusedError("eventData must list objects")
    record = _object(event.get("bizData") or {}, "bizData")
    user_id = event.get("bizId") or record.get("userId") or ""
    if not isinstance(user_id, str) or len(user_id) > _MAX_TEXT:
        raise EventRefusedError("bizId must be a text")
    milliseconds = str(event.get("eventTime"))
    if not (milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 15):
        raise EventRefusedError("eventTime must be a time in milliseconds")
    return UserEvent(
        _text(event, "eventId"), int(milliseconds) / 1000, _text(event, "eventType"), user_id, record
    )


def _object(value: object, name: str) -> Mapping[str, Any]:
    """An object, or JSON text of one: IDaaS documents both forms."""
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        try:
            return read_object(value.encode())
        except ValueError as error:
            _refuse(f"{name} {error}")
    return _refuse(f"{name} must be an object")


def _text(members: Mapping[str, Any], name: str, *, limit: int = _MAX_TEXT) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        _refuse(f"{name} must be a text")
    return value


def _number(members: Mapping[str, Any], name: str) -> float:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f'claim "{name}" must be a time in unix seconds')
    return float(value)


def _refuse(reason: str) -> NoReturn:
    raise EventRefusedError(reason)
