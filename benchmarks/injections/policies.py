"""The policies that are compared: one is published, the others say what its rules buy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SERVICES: Final = Path(__file__).parent / "services"
PUBLISHED: Final = "published"
_CHANGES: Final = ("write", "external")
"""The effects of tools that change something or act outside. By default their calls ask, each one."""
_PAGES: Final = 'trust = "untrusted", after = { nothing = "ask" }'
"""The rule of the tool that opens pages: an address is asked about that the user has not written."""
_CONFIDENTIAL: Final = {
    f'url = "https://{name}.example"\n': f'url = "https://{name}.example"\ndata = "confidential"\n'
    for name in ("mail", "calendar", "drive")
}
_OWN: Final = (
    "get_unread_emails",
    "get_sent_emails",
    "get_received_emails",
    "get_draft_emails",
    "search_emails",
    "get_day_calendar_events",
    "search_calendar_events",
    "list_files",
    "search_files",
    "search_files_by_filename",
    "get_file_by_id",
)
"""Reads of the user's own mailbox, calendar and files: what is searched for stays in the company."""
_READS: Final = '{} = {{ effect = "read", trust = "{}" }}'
_CONTENT: Final = {
    _READS.format(tool, "untrusted"): _READS.format(tool, "untrusted-content") for tool in _OWN
}


def _changes_with(rule: str) -> Mapping[str, str]:
    """`rule` in place of a question about each change."""
    return {
        f'effect = "{effect}" }}': f'effect = "{effect}", policy = "allow", {rule} }}' for effect in _CHANGES
    }


VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    PUBLISHED: {},
    "a change is made unasked if the user has written its values": _changes_with(
        'after = { nothing = "ask" }'
    ),
    "a change asks only after untrusted content": _changes_with('after = { untrusted = "ask" }'),
    "a page asks only after untrusted content": {
        _PAGES: 'trust = "untrusted", after = { untrusted = "ask" }'
    },
    "a page is opened unasked": {_PAGES: 'trust = "untrusted"'},
    "mail, calendar and files are confidential besides": _CONFIDENTIAL,
    "they are confidential, and `untrusted-content`": {**_CONFIDENTIAL, **_CONTENT},
}
"""By the name of a policy, what is written in place of which text of the services files."""
LOOSER: Final = frozenset(name for name in VARIANTS if name.startswith(("a change", "a page")))
"""The policies that are run under attack, too: the others ask about every call that the published one asks
about.
"""


def services_text(suite: str, variant: str) -> str:
    """The services file of a suite under a policy."""
    text = (SERVICES / f"{suite}.toml").read_text(encoding="utf-8")
    for published, other in VARIANTS[variant].items():
        text = text.replace(published, other)
    return text


def is_published(suite: str, variant: str) -> bool:
    """Whether a policy is the published one, as far as a suite is concerned."""
    return services_text(suite, variant) == services_text(suite, PUBLISHED)
