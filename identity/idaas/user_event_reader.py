"""Verifies the request with which IDaaS reports user events: a JWS of JSON, which may be encrypted as a JWE.

Wire: `{"event": "<compact JWS>"}`. The JWS is the whole authentication of the request.
"""

import binascii
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity.access_token.jws import read_header
from identity.base64url import decode_base64url
from identity.idaas.user_event import UserEvent
from identity.secrets.secret import Secret
from identity.signing_keys.signing_key import ACCEPTED_ALGORITHMS, KeySource
from identity.strict_json import read_object

_ISSUER: Final = "urn:alibaba:idaas:app:event"
_LEEWAY: Final = 60.0
_MAX_LIFETIME: Final = 86_400.0
MAX_EVENTS: Final = 1000
"""The most events in one request."""
_MAX_PLAIN_BYTES: Final = 4096
"""The size of a request without its JWS, and of a JWS without its payload, which are parsed unsigned."""
_JWS: Final = re.compile(rb'"event"\s*+:\s*+"([A-Za-z0-9_.-]++)"')
_STRUCTURE: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},]', re.DOTALL)
_EVENT_ID: Final = re.compile(r'"eventId"\s*+:\s*+"([^"\\]{1,255})"')


class EventRefusedError(ValueError):
    """The request is not from IDaaS, or not for this agent. The text names the member and quotes no value."""


class EventsUnreadableError(ValueError):
    """The request is from IDaaS, but has no list of events that can be read. The text quotes no value."""


@dataclass(eq=False, repr=False, slots=True, kw_only=True)
class UserEventReader:
    """Reads the events of one IDaaS instance and application.

    Guaranteed for what `read` returns: signed by a key of `keys` with one of `ACCEPTED_ALGORITHMS`; `iss` is
    IDaaS's constant, `aud` is `application_id`, `sub` is `instance_id`, in the events too; valid now, with a
    minute of tolerance.
    With `key`, the events were encrypted with it; unencrypted events are refused then.
    At most 8 KiB of an unsigned request are parsed; the rest is searched once, and hashed.

    Not checked: the members of the events, which are judged one by one; and `jti`. IDaaS may repeat an event,
    with the same `jti` or another: processing it twice must have the effect of processing it once.
    """

    keys: KeySource
    instance_id: str
    application_id: str
    key: Secret | None = None
    """64 hexadecimal digits, as the console shows them; otherwise making a reader raises `ValueError`."""
    clock: Callable[[], float] = time.time
    _cipher: AESGCM | None = field(init=False)

    def __post_init__(self) -> None:
        self._cipher = None if self.key is None else AESGCM(encryption_key(self.key))

    async def read(self, body: bytes) -> Sequence[UserEvent]:
        """The events of a request.

        Raises `EventRefusedError`, `EventsUnreadableError`, or `UnreachableError` (`jwks_unavailable`) if the
        key cannot be fetched.
        """
        try:
            header, payload, signature = _parts(body)
            used = read_header(read_object(decode_base64url(header)), ACCEPTED_ALGORITHMS)
            signed = decode_base64url(signature)
            key = await self.keys.find(used.kid, used.algorithm)
            if key is None or not key.verify(f"{header}.{payload}".encode("ascii"), signed):
                _refuse("the signature was not made with a key of the application")
            claims = read_object(decode_base64url(payload))
            self._check(claims)
            data = self._data(claims)
            if data.get("instanceId") != self.instance_id:
                _refuse("instanceId has another value")
        except ValueError as error:
            raise EventRefusedError(str(error)) from None
        return _events(data.get("eventData"))

    def _check(self, claims: Mapping[str, Any]) -> None:
        expected = {"iss": _ISSUER, "aud": self.application_id, "sub": self.instance_id}
        for name, value in expected.items():
            if claims.get(name) != value:
                _refuse(f'claim "{name}" has another value')
        now = self.clock()
        issued = _number(claims, "iat")
        expires = _number(claims, "exp")
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
            text = claims.get("cipherData")
            if not isinstance(text, str):
                text = ""
            return read_object(self._decrypt(text))
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


def encryption_key(key: Secret) -> bytes:
    """The 32 bytes of 64 hexadecimal digits. Raises `ValueError`, which does not quote them."""
    try:
        decoded = binascii.unhexlify(key.reveal())
    except (binascii.Error, ValueError):
        decoded = b""
    if len(decoded) != 32:
        raise ValueError("must have 64 hexadecimal digits")
    return decoded


def _parts(body: bytes) -> tuple[str, str, str]:
    """The three parts of the JWS in a request's body."""
    match = _JWS.match(body, max(0, body.find(b'"event"')))
    if match is None:
        _refuse("event must be a compact JWS")
    plain = body[: match.start(1)] + body[match.end(1) :]
    if len(plain) > _MAX_PLAIN_BYTES or read_object(plain).get("event") != "":
        _refuse("the body must be an object with a JWS")
    parts = match[1].decode("ascii").split(".", 3)
    if len(parts) != 3 or len(parts[0]) + len(parts[2]) > _MAX_PLAIN_BYTES:
        _refuse("event must be a compact JWS of 3 parts")
    return parts[0], parts[1], parts[2]


def _events(listed: object) -> Sequence[UserEvent]:
    events = _elements(listed) if isinstance(listed, str) else listed
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise EventsUnreadableError(f"eventData must be a list of at most {MAX_EVENTS} events")
    return [_event(event) for event in events]


def _elements(array: str) -> list[str] | None:
    """The texts of the elements of a JSON array, each to be parsed by itself; `None` if it is none."""
    array = array.strip()
    if not (array.startswith("[") and array.endswith("]")) or len(array) < 2:
        return None
    elements: list[str] = []
    begin = 1
    depth = 0
    for match in _STRUCTURE.finditer(array, 1, len(array) - 1):
        character = match[0][0]
        depth += (character in "[{") - (character in "]}")
        if depth < 0:
            return None
        if character == "," and depth == 0:
            elements.append(array[begin : match.start()])
            begin = match.end()
    last = array[begin:-1]
    return [*elements, last] if elements or last.strip() else []


def _event(event: object) -> UserEvent:
    """The event. An event that is not readable JSON has its id only, which the response to IDaaS names."""
    members: object = event
    if isinstance(event, str):
        try:
            members = read_object(event.encode())
        except ValueError:
            named = _EVENT_ID.search(event)
            members = {"eventId": named[1]} if named else None
    if not isinstance(members, dict):
        return UserEvent({}, None)
    record = members.get("bizData")
    if record in (None, ""):
        return UserEvent(members, {})
    try:
        return UserEvent(members, _object(record, "bizData"))
    except ValueError:
        return UserEvent(members, None)


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


def _number(members: Mapping[str, Any], name: str) -> float:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse(f'claim "{name}" must be a time in unix seconds')
    return float(value)


def _refuse(reason: str) -> NoReturn:
    raise EventRefusedError(reason)
