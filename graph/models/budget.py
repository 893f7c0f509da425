"""The seam between the calls of the model and what bounds how much of it a caller may use."""

from typing import Protocol

from langchain_core.messages.ai import UsageMetadata

from identity.access_token.verified_access_token import VerifiedAccessToken


class ModelBudget(Protocol):
    """Counts what callers use of the models, over all runs and processes."""

    async def check(self, caller: VerifiedAccessToken) -> None:
        """Before each response is requested. Raises `LimitError` if the caller may use no more now, and
        `UnavailableError` if that cannot be known: the request is not made.
        """

    async def add(self, caller: VerifiedAccessToken, model: str, used: UsageMetadata) -> None:
        """A response of `model` has used so many tokens, as the service reports or else as estimated: 0 to
        10**9 in and out, not both 0. It is counted before the run goes on. Raises `UnavailableError`.
        """
