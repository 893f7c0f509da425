"""Makes a token from a recipe of `tokens/*.json`: keys and times are known only at run time.

A recipe overrides members of a good token's `header` and `claims`, says who signs it (`by`), and how the
finished text is bent (`bend`). Texts in it may name what is known now: `$issuer`, `$audience`, `$kid`,
`$now+60`; `$absent` takes a member out. `raw_header` and `raw_claims` are the very bytes, with `$header` and
`$claims` for the members of the good ones.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_NOW = re.compile(r"\$now(?P<offset>[+-]\d+)?")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@dataclass(frozen=True)
class Forge:
    """Signs with the forger's own keys, or with the issuer's key for tokens with other faults."""

    issuer: str
    audience: str
    kid: str
    now: int
    key: rsa.RSAPrivateKey
    own_key: rsa.RSAPrivateKey
    own_ec_key: ec.EllipticCurvePrivateKey

    def token(self, recipe: Mapping[str, Any]) -> str:
        """The token; a valid one for an empty recipe."""
        header = self._with({"alg": "RS256", "typ": "JWT", "kid": self.kid}, recipe.get("header", {}))
        good = {
            "iss": self.issuer,
            "sub": "user_alice01",
            "aud": self.audience,
            "scope": "agent.access",
            "iat": self.now,
            "exp": self.now + 1200,
            "jti": "forged",
        }
        claims = self._with(good, recipe.get("claims", {}))
        head = self._bytes(recipe.get("raw_header"), header, claims)
        body = self._bytes(recipe.get("raw_claims"), claims, claims, of="$claims")
        signing_input = f"{encoded(head)}.{encoded(body)}"
        token = f"{signing_input}.{encoded(self._signature(recipe.get('by', 'issuer'), signing_input))}"
        return self._bent(recipe["bend"], token) if "bend" in recipe else token

    def _with(self, members: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
        filled = members | {name: self._filled(value) for name, value in overrides.items()}
        return {name: value for name, value in filled.items() if value != "$absent"}

    def _filled(self, value: object) -> object:
        if isinstance(value, list):
            return [self._filled(each) for each in value]
        if isinstance(value, dict):
            return {name: self._filled(each) for name, each in value.items()}
        if value == "$own_jwk":
            return public_jwk(self.own_key)
        if not isinstance(value, str):
            return value
        if moment := _NOW.fullmatch(value):
            return self.now + int(moment["offset"] or 0)
        repeated = re.fullmatch(r"\$(\d+) times (.)", value)
        if repeated:
            return repeated[2] * int(repeated[1])
        for name in ("issuer", "audience", "kid"):
            value = value.replace(f"${name}", str(getattr(self, name)))
        return value

    def _bytes(
        self, raw: str | None, members: object, claims: Mapping[str, Any], of: str = "$header"
    ) -> bytes:
        inside = json.dumps(members)[1:-1]
        if raw is None:
            return b"{" + inside.encode() + b"}"
        nested = re.sub(r"\$nested(\d+)", lambda m: "[" * int(m[1]) + "]" * int(m[1]), raw)
        filled = nested.replace(of, inside).replace("$exp", str(claims.get("exp")))
        return filled.replace("$issuer", self.issuer).encode("latin-1")

    def _signature(self, by: str, signing_input: str) -> bytes:
        message = signing_input.encode()
        public = self.key.public_key()
        spki = PublicFormat.SubjectPublicKeyInfo
        numbers = public.public_numbers()
        secrets: dict[str, Callable[[], bytes]] = {
            "hmac of the public key, PEM": lambda: public.public_bytes(Encoding.PEM, spki),
            "hmac of the public key, PEM without its last line end": lambda: public.public_bytes(
                Encoding.PEM, spki
            ).strip(),
            "hmac of the public key, PKCS1": lambda: public.public_bytes(Encoding.PEM, PublicFormat.PKCS1),
            "hmac of the public key, DER": lambda: public.public_bytes(Encoding.DER, spki),
            "hmac of the public key, JWK": lambda: json.dumps(public_jwk(self.key)).encode(),
            "hmac of the modulus": lambda: numbers.n.to_bytes(256, "big"),
            "hmac of nothing": lambda: b"",
        }
        if by in secrets:
            return hmac.new(secrets[by](), message, hashlib.sha256).digest()
        pkcs1 = padding.PKCS1v15()
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        signatures: dict[str, Callable[[], bytes]] = {
            "issuer": lambda: self.key.sign(message, pkcs1, hashes.SHA256()),
            "issuer, SHA-1": lambda: self.key.sign(message, pkcs1, hashes.SHA1()),  # noqa: S303 - the attack
            "issuer, SHA-512": lambda: self.key.sign(message, pkcs1, hashes.SHA512()),
            "issuer, PSS": lambda: self.key.sign(message, pss, hashes.SHA256()),
            "forger": lambda: self.own_key.sign(message, pkcs1, hashes.SHA256()),
            "forger, ES256": lambda: _raw_ecdsa(self.own_ec_key, message),
            "one byte": lambda: b"\0",
            "zeros": lambda: bytes(256),
            "ones": lambda: b"\0" * 255 + b"\1",
            "issuer, another message": lambda: self.key.sign(b"another", pkcs1, hashes.SHA256()),
        }
        return signatures[by]()

    def _bent(self, bend: str, token: str) -> str:
        header, claims, signature = token.split(".")
        raw = base64.urlsafe_b64decode(signature + "==")
        modulus = self.key.public_key().public_numbers().n
        value = int.from_bytes(raw, "big")
        flattened = {"payload": claims, "protected": header, "signature": signature}
        bent: dict[str, Callable[[], str]] = {
            "no signature": lambda: f"{header}.{claims}.",
            "two parts": lambda: f"{header}.{claims}",
            "four parts": lambda: f"{token}.{signature}",
            "five parts, as a JWE": lambda: f"{token}.{signature}.{signature}",
            "no header": lambda: f".{claims}.{signature}",
            "no claims": lambda: f"{header}..{signature}",
            "dots": lambda: "..",
            "many dots": lambda: "." * 8000,
            "one word": lambda: "token",
            "flattened JSON": lambda: json.dumps(flattened, separators=(",", ":")),
            "general JSON": lambda: json.dumps(
                {"payload": claims, "signatures": [{"protected": header, "signature": signature}]},
                separators=(",", ":"),
            ),
            "padded header": lambda: f"{header}=.{claims}.{signature}",
            "padded signature": lambda: f"{token}==",
            "standard base64": lambda: (
                f"{header}.{claims}." + signature[:-2].replace("-", "+") + "+/"  # at least these two
            ),
            "stray bits in the signature": lambda: (
                token[:-1] + _LETTERS[_LETTERS.index(token[-1]) ^ 1]  # 256 bytes leave 4 bits unused
            ),
            "a blank within": lambda: f"{header}. {claims}.{signature}",
            "a tab within": lambda: f"{header}.\t{claims}.{signature}",
            "a comma after": lambda: f"{token},",
            "quoted": lambda: f'"{token}"',
            "percent-encoded": lambda: token.replace(".", "%2E"),
            "signature plus modulus": lambda: _resigned(token, (value + modulus).to_bytes(257, "big")),
            "signature with a leading zero": lambda: _resigned(token, b"\0" + raw),
            "signature with a trailing zero": lambda: _resigned(token, raw + b"\0"),
            "signature without its last byte": lambda: _resigned(token, raw[:-1]),
            "signature negated": lambda: _resigned(token, (modulus - value).to_bytes(256, "big")),
            "signature reversed": lambda: _resigned(token, raw[::-1]),
            "signature twice": lambda: _resigned(token, raw + raw),
            "claims of another": lambda: ".".join(
                (
                    header,
                    encoded(base64.urlsafe_b64decode(claims + "==").replace(b"alice", b"bobby")),
                    signature,
                )
            ),
            "100 kB": lambda: token + "A" * 100_000,
        }
        return bent[bend]()


def encoded(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def public_jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    """The public half as a JWK."""
    numbers = key.public_key().public_numbers()
    return {"kty": "RSA", "n": encoded(numbers.n.to_bytes(256, "big")), "e": encoded(b"\1\0\1")}


def _resigned(token: str, signature: bytes) -> str:
    return f"{token.rpartition('.')[0]}.{encoded(signature)}"


def _raw_ecdsa(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")
