"""The sandbox's passwords, keys and client secret: made at first start, then kept."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

FILE = "secrets.json"
ADDED_FILE = "added-secrets.json"
USER_EVENTS_KEY_FILE = "user-events.key"


@dataclass(frozen=True, slots=True, repr=False)
class GeneratedSecrets:
    """Never printed as a whole. Private keys are PEM (PKCS #8)."""

    agent_client_secret: str
    alice_password: str
    bob_password: str
    llm_api_key: str
    amap_api_key: str
    agent_private_key: str
    signing_key: str

    def __repr__(self) -> str:
        return "GeneratedSecrets(...)"


def new_secrets() -> GeneratedSecrets:
    """Fresh values for everything."""
    return GeneratedSecrets(
        agent_client_secret=new_client_secret(),
        alice_password=new_password(),
        bob_password=new_password(),
        llm_api_key=new_api_key(),
        amap_api_key=new_api_key(),
        agent_private_key=_new_private_key(),
        signing_key=_new_private_key(),
    )


def kept_secrets(folder: Path) -> GeneratedSecrets:
    """The values kept in `folder`, made now if this is the first start; mode 600."""
    path = folder / FILE
    if path.exists():
        return GeneratedSecrets(**json.loads(path.read_text()))
    generated = new_secrets()
    write_private(path, json.dumps(asdict(generated), indent=2) + "\n")
    return generated


def kept_added_secret(folder: Path, name: str, new: str) -> str:
    """The value kept in `folder` for something of `sandbox.toml`; `new`, now kept, if there is none."""
    path = folder / ADDED_FILE
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if name not in kept:
        kept[name] = new
        write_private(path, json.dumps(kept, indent=2) + "\n")
    return kept[name]


def kept_user_events_key(folder: Path) -> str:
    """The AES-256 key of user events, made at first start, in a file that the agent reads."""
    path = folder / USER_EVENTS_KEY_FILE
    if not path.exists():
        write_private(path, f"{secrets.token_hex(32)}\n")
    return path.read_text().strip()


def new_password() -> str:
    """A password to type."""
    return secrets.token_urlsafe(9)


def new_client_secret() -> str:
    """A secret of an application."""
    return f"CS{secrets.token_urlsafe(32)}"


def new_api_key() -> str:
    """An API key in Model Studio's shape."""
    return f"sk-{secrets.token_hex(16)}"


def write_private(path: Path, text: str) -> None:
    """Writes a file of mode 600, in one step: a reader sees the old or the new content, nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """The key as PEM (PKCS #8)."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def _new_private_key() -> str:
    return private_pem(rsa.generate_private_key(65537, 2048))
