"""The credentials that IDaaS keeps for agents (PAM), and who may read each (data authorization)."""

from dataclasses import dataclass, field
from hmac import compare_digest

from sandbox.generated_secrets import new_api_key
from sandbox.state.directory import AGENT

LLM_API_KEY = "llm_api_key"
AMAP_API_KEY = "amap_api_key"


@dataclass(slots=True)
class VaultCredential:
    """An API key. `readers` are client ids and user subjects; times are unix seconds."""

    identifier: str
    credential_id: str
    name: str
    scenario: str
    api_key: str = field(repr=False)
    readers: set[str]
    created_at: float
    updated_at: float
    enabled: bool = True
    former_keys: list[str] = field(default_factory=list, repr=False)


class Vault:
    """Credentials by identifier."""

    def __init__(self, llm_api_key: str, amap_api_key: str, *, now: float) -> None:
        self._credentials: dict[str, VaultCredential] = {}
        readers = {AGENT, "user_alice01", "user_bob01"}
        self.add(LLM_API_KEY, llm_api_key, readers, now=now, scenario="llm")
        self.add(AMAP_API_KEY, amap_api_key, readers, now=now)

    def add(
        self, identifier: str, api_key: str, readers: set[str], *, now: float, scenario: str = "saas"
    ) -> None:
        """Keeps an API key. One that is there already keeps its key, and is readable by `readers` too."""
        if (entry := self._credentials.get(identifier)) is not None:
            entry.readers |= readers
            return
        self._credentials[identifier] = VaultCredential(
            identifier, f"cred_{identifier}", identifier, scenario, api_key, set(readers), now, now
        )

    def find(self, identifier: str) -> VaultCredential | None:
        return self._credentials.get(identifier)

    def accepts(self, key: str, identifier: str) -> bool:
        """Whether `key` is the current, enabled value of the credential."""
        entry = self._credentials.get(identifier)
        return entry is not None and entry.enabled and compare_digest(entry.api_key.encode(), key.encode())

    def was_valid(self, key: str, identifier: str) -> bool:
        """Whether `key` was the value of the credential before it was rotated or disabled."""
        entry = self._credentials.get(identifier)
        return entry is not None and (
            key in entry.former_keys or (not entry.enabled and key == entry.api_key)
        )

    def rotate(self, identifier: str, *, now: float, api_key: str | None = None) -> str:
        """Replaces the key; the service accepts only the new one from now on. Raises KeyError if unknown."""
        entry = self._credentials[identifier]
        entry.former_keys.append(entry.api_key)
        entry.api_key = api_key or new_api_key()
        entry.updated_at = now
        return entry.api_key

    def disable(self, identifier: str) -> None:
        """The credential is neither handed out nor accepted any more. Raises KeyError if unknown."""
        self._credentials[identifier].enabled = False
