"""Watching prompts for credentials: a model must never see one."""

import re

from sandbox.state.cloud import Cloud
from sandbox.state.vault import AMAP_API_KEY, LLM_API_KEY

_LOOKS_LIKE_ONE = re.compile(
    rb"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+"  # a JWT
    rb"|\bBearer\s+[\w.~+/-]{16,}"
    rb"|\bsk-[A-Za-z0-9]{16,}"
)


def contains_credential(body: bytes, cloud: Cloud) -> bool:
    """Whether a request's body has something like a token or key, or one of the sandbox's own secrets."""
    if _LOOKS_LIKE_ONE.search(body):
        return True
    known = [cloud.secrets.agent_client_secret]
    known += [entry.api_key for name in (LLM_API_KEY, AMAP_API_KEY) if (entry := cloud.vault.find(name))]
    return any(secret.encode() in body for secret in known)
