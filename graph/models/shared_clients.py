"""The HTTP clients of published chat models: their packages keep one for the chat models of all callers."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import httpx2
from langchain_core.language_models import BaseChatModel

from identity.transport.client import no_cookies, remove_location

_PLACES: Final = ("root_async_client", "async_client", "_async_client")
"""Where chat models have their asynchronous client: that of a service's package, or one of HTTP."""
_MOST_STEPS: Final = 4


def keep_callers_apart(chat: BaseChatModel) -> bool:
    """From now on, the HTTP clients of `chat` have no cookies, which would be sent with another caller's
    call, and follow no redirect, which would carry the conversation, and often the key, somewhere else.

    Returns whether a client was found: one of `httpx` or `httpx2`, where LangChain's chat models of OpenAI,
    Azure, Anthropic and Groq have theirs. What a chat model does through another one is not checked.
    """
    found = False
    for client in _clients_of(chat):
        found = True
        client.cookies = no_cookies()
        hooks = client.event_hooks
        if remove_location not in hooks["response"]:
            client.event_hooks = hooks | {"response": [remove_location, *hooks["response"]]}
    return found


def _clients_of(chat: BaseChatModel) -> Iterator[Any]:
    for place in _PLACES:
        holder = getattr(chat, place, None)
        for _ in range(_MOST_STEPS):  # a resource of a client of a service, which has an HTTP client
            if isinstance(holder, httpx.AsyncClient | httpx2.AsyncClient):
                yield holder
                break
            holder = getattr(holder, "_client", None)
