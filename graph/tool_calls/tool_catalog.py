"""The tools that the model can call now: all tools of the services that can be used."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from cachetools import LRUCache

from graph.credentials.service_credentials import ServiceCredential
from graph.tool_calls.requested_calls import failure_text
from graph.tool_calls.unavailable_services import is_unavailable
from identity.errors import AgentError, ServiceError
from identity.observation.failure import log_failure
from tools.service import Service, ToolSchema
from tools.service_name import service_of

logger = logging.getLogger(__name__)

_CACHED: Final = 256

_Found: TypeAlias = Sequence[ToolSchema] | AgentError
"""The tools of a service, or why it could not list them."""


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """Tools, the service of each, and notes for the model about the others.

    Shared by many runs; it is not changed.
    """

    tools: list[ToolSchema]
    services: dict[str, str]
    notes: list[str]
    withheld: dict[str, str] = field(default_factory=dict)
    """Why a tool that a service is known for cannot be called now, by its name."""
    unavailable: dict[str, str] = field(default_factory=dict)
    """The services that did not respond, each with the code of its failure."""

    def only(self, names: Collection[str]) -> "OfferedTools":
        """The tools of `names`. The others are withheld: a call of one is refused."""
        others = [name for name in self.services if name not in names]
        if not others:
            return self
        refused = {name: f'the tool "{name}" was not chosen for this request' for name in others}
        return replace(
            self,
            tools=[tool for tool in self.tools if tool.name in names],
            services={name: service for name, service in self.services.items() if name in names},
            withheld=self.withheld | refused,
        )


@dataclass(frozen=True, slots=True)
class Collision:
    """A name that tools of several `services` have. Only the tool of `offered` is offered; `None`: none."""

    tool: str
    services: tuple[str, ...]
    offered: str | None

    def __str__(self) -> str:
        names = " and ".join(f'"{name}"' for name in self.services if name != self.offered)
        others = f'"{self.offered}" has' if self.offered else "each has"
        return f'the tool "{self.tool}" of {names} is not offered: {others} one of this name'


def collisions(services: Sequence[Service], found: Sequence[_Found]) -> dict[str, Collision]:
    """The names that tools of several services have, by what each lists now and by the names it is known for.

    A tool of the agent's code is offered, and no tool of its name that servers list. If
    several servers list a name, no tool of it is offered, because a server could otherwise receive calls that
    are meant for another service.
    """
    having: defaultdict[str, list[str]] = defaultdict(list)
    declaring: defaultdict[str, list[str]] = defaultdict(list)
    for service, tools in zip(services, found, strict=True):
        listed = {} if isinstance(tools, AgentError) else {tool.name: tool.listed for tool in tools}
        for name in {*listed, *service.tool_names}:
            having[name].append(service.name)
            if listed.get(name) is False:
                declaring[name].append(service.name)
    collisions: dict[str, Collision] = {}
    for name, names in having.items():
        if len(names) > 1:
            declarers = declaring[name]
            owner = declarers[0] if len(declarers) == 1 else None
            collisions[name] = Collision(name, tuple(names), owner)
    return collisions


class ToolCatalog:
    """The tools of a fixed set of services. Tools that all services have cached are joined once."""

    def __init__(self, services: Sequence[Service], seconds: float) -> None:
        """`seconds` bounds the time in which a service lists its tools."""
        self._services = services
        self._seconds = seconds
        self._cache: LRUCache[tuple[int, ...], tuple[list[Any], OfferedTools]] = LRUCache(_CACHED)
        self._reported: LRUCache[Collision, bool] = LRUCache(_CACHED)

    async def offered(self, credentials: Mapping[str, ServiceCredential]) -> OfferedTools:
        """The tools of all services, listed concurrently unless all are cached.

        A service that fails to list its tools in time is left out, with a note for the model. If several
        tools have one name, at most one is offered (`collisions`), which is logged once.
        """
        cached: list[Sequence[ToolSchema]] = []
        for service in self._services:
            tools = service.cached_tools(credentials[service.name])
            if tools is None:
                return await self._listed(credentials)
            cached.append(tools)
        sources = [*cached, *(service.tool_names for service in self._services)]
        key = tuple(map(id, sources))
        if key not in self._cache:  # the sources are kept with it, so that no other object gets their ids
            self._cache[key] = sources, self._joined(cached)
        _, offered = self._cache[key]
        return offered

    async def _listed(self, credentials: Mapping[str, ServiceCredential]) -> OfferedTools:
        listings = [_list(service, credentials[service.name], self._seconds) for service in self._services]
        return self._joined(await asyncio.gather(*listings))

    def _joined(self, found: Sequence[_Found]) -> OfferedTools:
        colliding = collisions(self._services, found)
        for several in colliding.values():
            if several not in self._reported:
                self._reported[several] = True
                logger.warning("%s; give one of them a prefix", several)
        offered = OfferedTools([], {}, [])
        for service, tools in zip(self._services, found, strict=True):
            if isinstance(tools, AgentError):
                log_failure(tools.of(service_of(service.name), service.settings))
                fault = failure_text(tools, service.name)
                offered.notes.append(
                    f'The tools of the service "{service.name}" cannot be used now: {fault} '
                    "If the user needs them, say this."
                )
                offered.withheld.update(dict.fromkeys(service.tool_names, fault))
                if is_unavailable(tools):
                    offered.unavailable[service_of(service.name)] = tools.code.value
                continue
            for name in set(service.tool_names) - colliding.keys():
                offered.withheld[name] = (
                    f'the service "{service.name}" does not offer the tool "{name}" to this user'
                )
            for tool in tools:
                collision = colliding.get(tool.name)
                if tool.name in offered.services or (collision and collision.offered != service.name):
                    continue
                offered.services[tool.name] = service.name
                offered.tools.append(tool)
        return offered


def api_tool(tool: ToolSchema) -> dict[str, Any]:
    """`tool` in the form of the model's API."""
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


async def _list(
    service: Service, credential: ServiceCredential, seconds: float
) -> Sequence[ToolSchema] | AgentError:
    try:
        async with asyncio.timeout(seconds):
            return await service.tools(credential)
    except AgentError as error:
        return error
    except TimeoutError:
        return ServiceError(service.error_code, f'"{service.name}" did not list its tools in {seconds:g} s')
    except Exception as error:  # noqa: BLE001 - a fault of one service must not end the run
        logger.warning('"%s" could not list its tools: %s', service.name, type(error).__name__)
        return ServiceError(service.error_code, f'"{service.name}" could not list its tools')
