"""A way in, as one declaration: its routes, and what stands in front of all routes has to know of them.

Authentication, the limits and CORS ask the declarations. So a surface is a file: nothing else names it.
Surfaces of any installed package are found by their entry points.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from starlette.routing import Route
from starlette.types import Scope

from agent.composition.agent import Agent
from agent.composition.kept import Kept
from agent.entry_points import installed, installed_entries
from agent.http.authentication import Admission, OpenPaths, metadata_path
from agent.settings.settings import Settings
from identity.error_codes import IdentityCode
from identity.errors import ConfigurationError

ENTRY_POINTS: Final = "idaas_agent.surfaces"
"""The group of entry points by which installed packages declare surfaces. An entry is a `Surface`."""


def _never(path: str) -> bool:  # noqa: ARG001 - the form of `Surface.starts_run`
    return False


def _as_it_is(paths: dict[str, Any]) -> None:
    pass


def if_kept(routes: Callable[[Kept], APIRouter | None]) -> Callable[[Agent], APIRouter | None]:
    """For `Surface.routes`: those of what an agent keeps. One that keeps nothing has none of them."""

    def of(agent: Agent) -> APIRouter | None:
        if agent.kept is None:
            return None
        return routes(agent.kept)

    return of


@dataclass(frozen=True, slots=True)
class ClientPaths:
    """Paths for clients alone: each needs a token of a client with a permission of its own, in place of
    AGENT_SCOPE. A client with this permission alone is refused on every other path.
    """

    path: str
    """This path, and every one below it."""
    scope: Callable[[Settings], str | None]
    """The permission that the settings name; `None`: the surface is not offered."""

    def contain(self, path: str) -> bool:
        """Whether `path` is one of them."""
        return path == self.path or path.startswith(f"{self.path}/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Routes of one kind. Every path that is not named here needs a verified access token."""

    name: str
    routes: Callable[[Agent], APIRouter | None]
    """Makes the routes of an agent; `None` if its settings do not offer them."""
    public_paths: frozenset[str] = frozenset()
    """Whole paths that anyone may read (GET and HEAD)."""
    cached_paths: frozenset[str] = frozenset()
    """Those of `public_paths` whose responses clients may keep: the route sets `Cache-Control`, and what it
    sets counts. Every other response has `no-store`."""
    signed_paths: frozenset[str] = frozenset()
    """Whole paths to which anyone may POST: their route verifies a signature."""
    starts_run: Callable[[str], bool] = _never
    """Whether a POST to this path certainly starts a run. While none can start, it is refused unread."""
    polled_paths: frozenset[str] = frozenset()
    """Whole paths that each open page reads repeatedly (GET): recorded once an hour for each token."""
    for_clients: ClientPaths | None = None
    """Where all its routes are, if only clients use them, with a permission of their own."""
    resource_paths: frozenset[str] = frozenset()
    """Whole paths whose clients take the address that they call for the protected resource (RFC 9728)."""
    document: Callable[[dict[str, Any]], None] = _as_it_is
    """Completes the `paths` of the OpenAPI document, where FastAPI cannot know its routes."""
    request_headers: tuple[str, ...] = ()
    """Headers that a page of another origin may send."""


class Surfaces:
    """The declarations of all surfaces that an agent offers, together."""

    def __init__(self, surfaces: Iterable[Surface], agent: Agent) -> None:
        """A surface that makes no routes for `agent` is left out, with all that it declares.

        Raises `ConfigurationError` if two serve one path, one opens a path that it does not serve, one lets
        clients keep what is not public, or paths for clients are not those of one surface.
        """
        made = [(surface, _routes(surface, agent)) for surface in surfaces]
        offered = [(surface, router) for surface, router in made if router is not None]
        if faults := _path_faults(offered) + _client_path_faults(offered):
            raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
        self._agent = agent
        self._for_clients = [
            (paths, agent.admission_of_clients(scope))
            for paths in (surface.for_clients for surface, _ in offered)
            if paths is not None and (scope := paths.scope(agent.settings))
        ]
        self.offered: Final = tuple(surface for surface, _ in offered)
        self.routers: Final = tuple(router for _, router in offered)
        self.open_paths: Final = OpenPaths(
            readable=frozenset[str]().union(*(surface.public_paths for surface in self.offered)),
            signed=frozenset[str]().union(*(surface.signed_paths for surface in self.offered)),
        )
        self.cached_paths: Final = frozenset[str]().union(*(surface.cached_paths for surface in self.offered))
        self._starting = [surface.starts_run for surface in self.offered if surface.starts_run is not _never]
        self._polled = frozenset[str]().union(*(surface.polled_paths for surface in self.offered))
        self._resources = frozenset[str]().union(*(surface.resource_paths for surface in self.offered))

    @property
    def request_headers(self) -> list[str]:
        """Headers that a page of another origin may send."""
        return [header for surface in self.offered for header in surface.request_headers]

    def admission_of(self, path: str) -> Admission:
        """Who is admitted to `path`: clients with their permission, or the callers of the agent."""
        for paths, admission in self._for_clients:
            if paths.contain(path):
                return admission
        return self._agent.admission

    def starts_run(self, scope: Scope) -> bool:
        """Whether the request certainly starts a run."""
        path = scope["path"]
        return scope["method"] == "POST" and any(starts(path) for starts in self._starting)

    def is_poll(self, scope: Scope) -> bool:
        """Whether the request reads what each open page reads repeatedly."""
        return scope["path"] in self._polled and scope.get("method") == "GET"

    def metadata_of(self, path: str) -> str:
        """The path of the metadata (RFC 9728) to which a refusal at `path` refers."""
        if path in self._resources:
            return metadata_path(path)
        return metadata_path()


def _routes(surface: Surface, agent: Agent) -> APIRouter | None:
    """The routes that the settings offer. Without its permission, a surface for clients has none."""
    paths = surface.for_clients
    if paths is not None and not paths.scope(agent.settings):
        return None
    return surface.routes(agent)


def _paths_of(router: APIRouter) -> set[str]:
    return {route.path for route in router.routes if isinstance(route, Route)}


def _path_faults(offered: Iterable[tuple[Surface, APIRouter]]) -> list[str]:
    """The paths that two surfaces serve, those that a surface opens without serving them, and those that
    clients may keep although they are not public.
    """
    faults: list[str] = []
    served: dict[str, str] = {}
    for surface, router in offered:
        paths = _paths_of(router)
        faults += [
            f'surfaces "{served[path]}" and "{surface.name}" both serve {path}'
            for path in sorted(paths & served.keys())
        ]
        opened = surface.public_paths | surface.signed_paths
        faults += [
            f'surface "{surface.name}" opens {path}, which it does not serve'
            for path in sorted(opened - paths)
        ]
        faults += [
            f'surface "{surface.name}" lets clients keep {path}, which is not public'
            for path in sorted(surface.cached_paths - surface.public_paths)
        ]
        served |= dict.fromkeys(paths, surface.name)
    return faults


def _client_path_faults(offered: Sequence[tuple[Surface, APIRouter]]) -> list[str]:
    """The paths of a surface for clients that other callers reach, and those of another surface that clients
    alone reach.
    """
    faults: list[str] = []
    for owner, own in offered:
        if (clients := owner.for_clients) is None:
            continue
        faults += [
            f'surface "{owner.name}" is for clients, at {clients.path}, and serves {path}'
            for path in sorted(_paths_of(own))
            if not clients.contain(path)
        ]
        faults += [
            f'surface "{other.name}" serves {path}, which is for clients of surface "{owner.name}"'
            for other, router in offered
            for path in sorted(_paths_of(router))
            if other is not owner and clients.contain(path)
        ]
    return faults


def installed_surfaces(names: Sequence[str] | None) -> list[Surface]:
    """The installed surfaces of these `names`, of the entry points; `None`: all. No other one is imported.

    Raises `ConfigurationError` for a name that none has or several have, and for every entry that cannot be
    imported or is no surface.
    """
    installed_names = [entry.name for entry in installed_entries(ENTRY_POINTS)]
    if not installed_names:
        faults = ["no surface is installed: install the agent's package again"]
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    faults = [
        f'SURFACES must list some of {", ".join(installed_names)}, found "{name}"'
        for name in names or ()
        if name not in installed_names
    ]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    surfaces = installed(ENTRY_POINTS, names)
    faults = [
        f'entry point "{name}" must be a Surface, found {type(surface).__name__}'
        for name, surface in surfaces.items()
        if not isinstance(surface, Surface)
    ]
    if faults:
        raise ConfigurationError(IdentityCode.SETTINGS_INVALID, faults)
    return list(surfaces.values())
