"""Signs each person of a chat in once, by a browser link, and gets their access tokens for the agent.

The refresh tokens are the bot's own. They are kept behind `TokenStore`, and reach neither the agent nor the
chat.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

import httpx
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LINK_SECONDS = 600.0
MOST_LINKS = 1000
REFUSED = ("invalid_grant", "access_denied")


class TokenStore(Protocol):
    """Keeps the refresh token of each person: in the keyring of the system, or under a key of a KMS."""

    def load(self, person: str) -> str | None: ...

    def save(self, person: str, token: str | None) -> None:
        """Keeps `token` in place of the one before; `None` removes it. It is kept when this returns."""


class EncryptedFile:
    """A `TokenStore` for this example, for one process: a file under AES-256-GCM, whose key is in a variable.

    Who reads both the file and the environment of the bot can act as every person in it. The key of a KMS
    does not leave it, and each use is on record there.
    """

    def __init__(self, path: Path, key: bytes) -> None:
        self._path = path
        self._cipher = AESGCM(key)

    def load(self, person: str) -> str | None:
        sealed = self._read().get(_digest(person))
        if sealed is None:
            return None
        nonce, text = base64.b64decode(sealed)[:12], base64.b64decode(sealed)[12:]
        try:
            return self._cipher.decrypt(nonce, text, person.encode()).decode()
        except InvalidTag:  # changed, moved to another person, or under a former key: they sign in again
            return None

    def save(self, person: str, token: str | None) -> None:
        kept = self._read()
        kept.pop(_digest(person), None)
        if token is not None:
            nonce = secrets.token_bytes(12)
            sealed = nonce + self._cipher.encrypt(nonce, token.encode(), person.encode())
            kept[_digest(person)] = base64.b64encode(sealed).decode()
        written = self._path.with_suffix(".new")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(kept, file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)

    def _read(self) -> dict[str, str]:
        return json.loads(self._path.read_text()) if self._path.exists() else {}


@dataclass(frozen=True)
class Client:
    """The bot at IDaaS: an application of its own, with the scope of the agent and no other."""

    client_id: str
    authorize_endpoint: str
    token_endpoint: str
    redirect_uri: str
    scope: str


class Link(NamedTuple):
    """A link that was sent to a person, until its end."""

    person: str
    verifier: str
    until: float


class Tokens(NamedTuple):
    access: str
    refresh: str
    until: float


class SignIn:
    """A person opens a link, signs in, and types the code that the browser shows into their own chat.

    The code proves that one person is at both: who is lured into signing in by a link that another person
    was sent does not sign in that person.
    """

    def __init__(self, client: Client, http: httpx.AsyncClient, store: TokenStore, clock=time.time) -> None:
        self._client = client
        self._http = http
        self._store = store
        self._clock = clock
        self._links: dict[str, Link] = {}
        self._unproved: dict[str, tuple[str, Tokens, float]] = {}
        """By person: the code, and tokens that are not used before it was typed."""
        self._tokens: dict[str, Tokens] = {}
        """In memory only."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def link(self, person: str) -> str:
        """A link for `person`, for ten minutes and once; one before it ends. Send it to them alone."""
        now = self._clock()
        links = {s: each for s, each in self._links.items() if each.until > now and each.person != person}
        self._links = dict(list(links.items())[-MOST_LINKS:])
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        self._links[state] = Link(person, verifier, now + LINK_SECONDS)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
        return f"{self._client.authorize_endpoint}?" + urlencode(
            {
                "response_type": "code",
                "client_id": self._client.client_id,
                "redirect_uri": self._client.redirect_uri,
                "scope": self._client.scope,
                "state": state,
                "code_challenge": challenge.decode(),
                "code_challenge_method": "S256",
            }
        )

    async def returned(self, state: str, code: str) -> tuple[str, str] | None:
        """Of a browser that returned: the person whose link it was, and the code to show; `None` if it is not
        valid, was used, or IDaaS refuses it.
        """
        link = self._links.pop(state, None)
        if link is None or link.until <= self._clock():
            return None
        tokens = await self._request(
            grant_type="authorization_code",
            code=code,
            redirect_uri=self._client.redirect_uri,
            code_verifier=link.verifier,
        )
        if tokens is None:
            return None
        shown = base64.b32encode(secrets.token_bytes(5)).decode()
        self._unproved[link.person] = shown, tokens, self._clock() + LINK_SECONDS
        return link.person, shown

    def proved(self, person: str, text: str) -> bool | None:
        """Whether `text` is the code of a sign-in that `person` began, who is signed in then. False if it is
        one that another person began, which is dropped. `None` if it is no code.
        """
        typed = text.strip().upper().encode()
        for began, (shown, tokens, until) in list(self._unproved.items()):
            if until <= self._clock():
                del self._unproved[began]
            elif hmac.compare_digest(typed, shown.encode()):
                del self._unproved[began]
                if began != person:
                    return False
                self._keep(person, tokens)
                return True
        return None

    async def access_token(self, person: str) -> str | None:
        """An access token of `person` that is valid now; `None` if they have to sign in."""
        async with self._locks[person]:  # a refresh token is used once
            known = self._tokens.get(person)
            if known is not None and known.until - 30 > self._clock():
                return known.access
            refresh = self._store.load(person)
            tokens = (
                await self._request(grant_type="refresh_token", refresh_token=refresh) if refresh else None
            )
            if tokens is None:
                self.forget(person)
                return None
            self._keep(person, tokens)
            return tokens.access

    def forget(self, person: str) -> None:
        """Signs them out of the bot. IDaaS documents no end of a refresh token."""
        self._tokens.pop(person, None)
        self._store.save(person, None)

    def _keep(self, person: str, tokens: Tokens) -> None:
        self._store.save(person, tokens.refresh)  # first: the one before it is used up
        self._tokens[person] = tokens

    async def _request(self, **form: str) -> Tokens | None:
        """`None` if IDaaS refuses. Raises `httpx.HTTPError` for every other failure: they stay signed in."""
        form["client_id"] = self._client.client_id
        response = await self._http.post(self._client.token_endpoint, data=form)
        if response.status_code in (400, 403) and response.json().get("error") in REFUSED:
            return None
        issued = response.raise_for_status().json()
        until = self._clock() + issued["expires_in"]
        return Tokens(
            issued["access_token"], issued.get("refresh_token", form.get("refresh_token", "")), until
        )


def _digest(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()
