"""What only operators need to know, by its names: settings, clients, credentials, audiences and scopes."""

import re
from collections.abc import Iterable

from agent.settings.variables import variables
from sandbox.directory import (
    AGENT,
    AGENT_AUDIENCE,
    ENTERPRISE_AUDIENCE,
    LEAVE_AUDIENCE,
    PAGE,
    PAM_AUDIENCE,
)

CONFIGURATION_MEMBERS = ("clientId", "idaasInstanceId", "tokenEndpoint", "developerApiEndpoint")
PERMISSIONS = ("agent.access", "service.invoke", "leave.read", "credential:obtain")
AUDIENCES = (AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, PAM_AUDIENCE)
IDENTIFIERS = ("llm_api_key", "amap_api_key", "canary_identifier")

NAMES = (*variables(), *CONFIGURATION_MEMBERS, AGENT, PAGE, *AUDIENCES, *PERMISSIONS, *IDENTIFIERS)
# A code such as `llm_api_key_unavailable` is not the identifier `llm_api_key`.
_NAME = re.compile("|".join(rf"(?<![\w]){re.escape(name)}(?![\w])" for name in NAMES))
_DECLARED = re.compile(r'\\?"(?:audience|scope|credential)\\?": ?\\?"[^"\\]*\\?"')
"""What tool events say of a call's credential: the page's tool details show it."""


def names_in(text: str) -> list[str]:
    """The names in `text`, except for what tool events declare."""
    return _NAME.findall(_DECLARED.sub("", text))


def names_by_place(texts: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Where which names stand, of texts that come with the name of their place."""
    return [(place, found) for place, text in texts if (found := names_in(text))]
