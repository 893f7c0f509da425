"""Where the users of clients that show no approvals decide: the page, at an address that names what waits."""

from typing import Final
from urllib.parse import urlsplit

from agent.settings.settings import Settings

_ELSEWHERE: Final = "Decide where you see this agent's conversations."


def page_address(settings: Settings) -> str | None:
    """`AGENT_PAGE_URL`, or the first origin of a page that may call the agent; `None` if there is neither.

    Not checked: whether a page is there.
    """
    if settings.agent_page_url is not None:
        return settings.agent_page_url
    origins = settings.cors_allowed_origins
    return origins[0] if origins else None


def where_to_decide(page: str | None, approval_id: str) -> str:
    """A sentence for the user: the link to the approval on the `page`, which decides nothing when it is
    opened. `page` is what `page_address` returns.
    """
    if page is None:
        return _ELSEWHERE
    root = page if urlsplit(page).path else f"{page}/"
    return f"Decide here: {root}#approval={approval_id}"
