"""Names that only operators need: settings, clients, credentials, audiences and scopes."""

import re
from collections.abc import Iterable

from agent.settings.settings import variables
from sandbox.state.directory import (
    AGENT,
    AGENT_AUDIENCE,
    ENTERPRISE_AUDIENCE,
    LEAVE_AUDIENCE,
    PAGE,
    PAM_AUDIENCE,
)

CONFIGURATION_MEMBERS = ("clientId", "idaasInstanceId", "tokenEndpoint", "developerApiEndpoint")
PERMISSIONS = ("agent.access", "service.invoke", "leave.read", "leave.write", "credential:obtain")
AUDIENCES = (AGENT_AUDIENCE, ENTERPRISE_AUDIENCE, LEAVE_AUDIENCE, PAM_AUDIENCE)
IDENTIFIERS = ("llm_api_key", "amap_api_key", "canary_identifier")

NAMES = (*variables(), *CONFIGURATION_MEMBERS, AGENT, PAGE, *AUDIENCES, *PERMISSIONS, *IDENTIFIERS)
# A code such as `llm_api_key_unavailable` is not the identifier `llm_api_key`.
_NAME = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, NAMES))})(?!\w)")
_DECLARED = re.compile(r'\\?"(?:audience|scope|credential)\\?": ?\\?"[^"\\]*\\?"')
"""The credential of a call in tool events, which the page shows."""


def names_in(text: str) -> list[str]:
    """The names in `text`, without those that tool events declare."""
    return _NAME.findall(_DECLARED.sub("", text))


def names_by_place(texts: Iterable[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """The names in each text, by the name of its place; places without names are left out."""
    return [(place, found) for place, text in texts if (found := names_in(text))]
