"""Canaries: the secrets of a run, and a search for them in any encoding in the agent's output."""

import base64
import binascii
import json
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx

_JWT = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{20,}")
_BASE64_JWT = base64.b64encode(b"eyJhbGciOi")[:12].decode()
"""How the base64 of a token begins: `{"alg":` in base64, encoded once more."""


@dataclass
class Canaries:
    """Secrets by name. `found_in` returns the names of those in a text, never the secrets."""

    by_name: dict[str, str] = field(default_factory=dict)
    _forms: dict[str, set[str]] = field(default_factory=dict)

    def add(self, name: str, secret: str) -> None:
        """Adds a secret; of a signed token also the signature, because the rest may be known."""
        self.by_name[name] = secret
        self._forms[name] = _forms(secret)
        if _JWT.fullmatch(secret):
            self._forms[name] |= {secret.rpartition(".")[2]}

    async def watch(self, response: httpx.Response) -> None:
        """An event hook of the agent's client for IDaaS: adds each issued credential."""
        await response.aread()
        try:
            answer = response.json()
        except ValueError:
            return
        for secret in _issued(answer):
            self.add(f"credential {len(self.by_name)} that IDaaS issued", secret)

    def found_in(self, text: str) -> list[str]:
        """The names of the canaries in `text`; any token counts, also one that was not added."""
        found = [name for name, forms in self._forms.items() if any(form in text for form in forms)]
        return found + (["a token"] if _JWT.search(text) or _BASE64_JWT in text else [])


_ISSUED = {"access_token", "jwtValue", "accessKeySecret", "securityToken", "accessTokenValue"}


def _issued(answer: object) -> Iterable[str]:
    """The secrets in a response of IDaaS, at any depth."""
    for name, value in answer.items() if isinstance(answer, dict) else ():
        if name in _ISSUED and isinstance(value, str):
            yield value
        yield from _issued(value)


def leaks(canaries: Canaries, texts: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """The canaries in named texts, with the name of each text."""
    return [(place, found) for place, text in texts if (found := canaries.found_in(text))]


def secrets_of(sandbox: object, *access_tokens: str) -> Canaries:
    """The sandbox's secrets and the users' tokens."""
    canaries, known = Canaries(), sandbox.cloud.secrets  # type: ignore[attr-defined]  # a sandbox in this process
    canaries.add("the model's key", known.llm_api_key)
    canaries.add("the map service's key", known.amap_api_key)
    canaries.add("the client secret", known.agent_client_secret)
    key = [line for line in known.agent_private_key.splitlines() if not line.startswith("--")]
    canaries.add("the private key", max(key, key=len))
    for number, token in enumerate(access_tokens):
        canaries.add(f"the user's token {number}", token)
    return canaries


def with_locals(error: BaseException, *, without: int = 0) -> str:
    """An exception as an error reporter shows it: the chain, its notes, and the local variables.

    `without` that many of the outermost frames.
    """
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    del shown.stack[:without]
    return "".join(shown.format()) + repr(vars(error))


def _forms(secret: str) -> set[str]:
    value = secret.encode()
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), value.hex(), value.hex().upper()}
    for before in range(3):  # base64 of a text that has it at any place
        encoded = base64.b64encode(b"." * before + value).decode()
        whole = encoded[4 if before else 0 : len(encoded) - 4]
        forms |= {whole, whole.replace("+", "-").replace("/", "_")}
    forms.add(binascii.b2a_qp(value).decode())
    return forms
