"""The seam between the calls of the model and what bounds how much of it a caller may use."""

from typing import Protocol

from langchain_core.messages.ai import UsageMetadata

from identity.access_token.verified_access_token import VerifiedAccessToken


class Reservation(Protocol):
    """The count of one response, from before it is requested."""

    async def settle(self, used: UsageMetadata) -> None:
        """In place of what was reserved, the response has used so many tokens, as the service reports or else
        as estimated: 0 to 10**9 in and out. Called once, when the response has ended, whole or not, and
        before the run goes on. It may tell the caller something (`graph.notices`). Raises `UnavailableError`:
        then what was reserved stays counted.
        """


class ModelBudget(Protocol):
    """Counts what callers use of the models, over all runs and processes."""

    async def reserve(self, caller: VerifiedAccessToken, model: str, tokens: int) -> Reservation:
        """Before each response of `model` is requested, whose prompt has so many `tokens`, as estimated. They
        are counted when this returns, so that a process that is killed changes nothing.

        Raises `LimitError` if the caller may use no more now, and `UnavailableError` if that cannot be known:
        the request is not made.
        """
