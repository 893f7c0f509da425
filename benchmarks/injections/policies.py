"""The policies that are compared: one is published, the others say what its rules buy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

SERVICES: Final = Path(__file__).parent / "services"
PUBLISHED: Final = "published"
STRICTER: Final = "each change asks, whoever wrote its values"
"""It permits no call that the published one asks about: without a run under attack."""
_CHANGES: Final = 'policy = "allow", after = { nothing = "ask" }'
"""The rule of tools that change something: calls are made whose texts and numbers the user has written."""
_PAGES: Final = 'trust = "untrusted", after = { nothing = "ask" }'
"""The rule of the tool that opens pages: an address is asked about that the user has not written."""
_CHANGES_ALONE: Final = f", {_CHANGES}"
VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    PUBLISHED: {},
    STRICTER: {_CHANGES_ALONE: ""},
    "a change asks only after untrusted content": {
        _CHANGES: 'policy = "allow", after = { untrusted = "ask" }'
    },
    "a page asks only after untrusted content": {
        _PAGES: 'trust = "untrusted", after = { untrusted = "ask" }'
    },
    "a page is opened unasked": {_PAGES: 'trust = "untrusted"'},
}
"""By the name of a policy, what is written in place of which text of the services files."""


def services_text(suite: str, variant: str) -> str:
    """The services file of a suite under a policy."""
    text = (SERVICES / f"{suite}.toml").read_text(encoding="utf-8")
    for published, other in VARIANTS[variant].items():
        text = text.replace(published, other)
    return text


def is_published(suite: str, variant: str) -> bool:
    """Whether a policy is the published one, as far as a suite is concerned."""
    return services_text(suite, variant) == services_text(suite, PUBLISHED)
