"""A way in, as one declaration: its routes, and what stands in front of all routes has to know of them.

Authentication, the limits and CORS ask the declarations. So a surface is a file: nothing else names it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.types import Scope

from agent.composition.agent import Agent
from agent.http.authentication import OpenPaths, metadata_path


def _never(path: str) -> bool:  # noqa: ARG001 - the form of `Surface.starts_run`
    return False


def _as_it_is(paths: dict[str, Any]) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Routes of one kind. Every path that is not named here needs a verified access token."""

    name: str
    routes: Callable[[Agent], APIRouter | None]
    """Makes the routes of an agent; `None` if its settings do not offer them."""
    public_paths: frozenset[str] = frozenset()
    """Whole paths that anyone may read (GET and HEAD)."""
    signed_paths: frozenset[str] = frozenset()
    """Whole paths to which anyone may POST: their route verifies a signature."""
    starts_run: Callable[[str], bool] = _never
    """Whether a POST to this path certainly starts a run. While none can start, it is refused unread."""
    polled_paths: frozenset[str] = frozenset()
    """Whole paths that each open page reads repeatedly (GET): recorded once an hour for each token."""
    resource_paths: frozenset[str] = frozenset()
    """Whole paths whose clients take the address that they call for the protected resource (RFC 9728)."""
    document: Callable[[dict[str, Any]], None] = _as_it_is
    """Completes the `paths` of the OpenAPI document, where FastAPI cannot know its routes."""
    request_headers: tuple[str, ...] = ()
    """Headers that a page of another origin may send."""


class Surfaces:
    """What all surfaces of an application declare, together."""

    def __init__(self, surfaces: Iterable[Surface]) -> None:
        self.each: Final = tuple(surfaces)
        self.open_paths: Final = OpenPaths(
            readable=frozenset[str]().union(*(surface.public_paths for surface in self.each)),
            signed=frozenset[str]().union(*(surface.signed_paths for surface in self.each)),
        )
        self._polled = frozenset[str]().union(*(surface.polled_paths for surface in self.each))
        self._resources = frozenset[str]().union(*(surface.resource_paths for surface in self.each))

    @property
    def request_headers(self) -> list[str]:
        """Headers that a page of another origin may send."""
        return [header for surface in self.each for header in surface.request_headers]

    def starts_run(self, scope: Scope) -> bool:
        """Whether the request certainly starts a run."""
        path = scope["path"]
        return scope["method"] == "POST" and any(surface.starts_run(path) for surface in self.each)

    def is_poll(self, scope: Scope) -> bool:
        """Whether the request reads what each open page reads repeatedly."""
        return scope["path"] in self._polled and scope.get("method") == "GET"

    def metadata_of(self, path: str) -> str:
        """The path of the metadata (RFC 9728) to which a refusal at `path` refers."""
        return metadata_path(path if path in self._resources else "")
