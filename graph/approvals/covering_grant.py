"""The grant that covered a call: beside the request of the call, for the person who reads what was done."""

from dataclasses import dataclass

from graph.extensions import Extensions


@dataclass(frozen=True, slots=True)
class CoveringGrant:
    """The record of it. It outlasts the grant, and permits nothing. Times are unix seconds."""

    id: str
    """That of the approval with which the person gave it."""
    given_at: float
    ends_at: float


def covering_grant_in(extensions: Extensions) -> CoveringGrant | None:
    """The grant beside the request of a call; `None` if the call itself was asked about."""
    return extensions.get(CoveringGrant)
