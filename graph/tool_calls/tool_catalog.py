"""The tools that the model can call now: those of all services that can be used."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from cachetools import LRUCache

from graph.credentials.service_credentials import ServiceCredential
from graph.tool_calls.requested_calls import failure_text
from identity.errors import AgentError, ServiceError
from identity.telemetry.failure_log import log_failure
from tools.service import Service, ToolSchema

logger = logging.getLogger(__name__)

_CACHED: Final = 256

_Lists: TypeAlias = list[Sequence[ToolSchema]]


@dataclass(frozen=True, slots=True)
class OfferedTools:
    """Tools in the form of the model's API, the service of each, and notes for the model about the others.

    Shared by many runs; it is not changed.
    """

    tools: list[dict[str, Any]]
    services: dict[str, str]
    notes: list[str]


class ToolCatalog:
    """The tools of a fixed set of services. Tools that all services have cached are joined once."""

    def __init__(self, services: Sequence[Service], seconds: float) -> None:
        """`seconds` bounds the time in which a service lists its tools."""
        self._services = services
        self._seconds = seconds
        self._cache: LRUCache[tuple[int, ...], tuple[_Lists, OfferedTools]] = LRUCache(_CACHED)

    async def offered(self, credentials: Mapping[str, ServiceCredential]) -> OfferedTools:
        """The tools of all services, listed concurrently unless all are cached.

        A service that fails to list its tools in time is left out, with a note for the model. Of two tools
        with one name, one that the agent declares goes before one that an outside server lists, because a
        server could otherwise receive calls that are meant for the agent's tool; else the first service wins.
        """
        cached: _Lists = []
        for service in self._services:
            tools = service.cached_tools(credentials[service.name])
            if tools is None:
                listings = (_list(each, credentials[each.name], self._seconds) for each in self._services)
                return _joined(self._services, await asyncio.gather(*listings))
            cached.append(tools)
        key = tuple(map(id, cached))
        known = self._cache.get(key)
        if known is None:  # the lists are kept with the result, so that no other list gets their ids
            known = self._cache[key] = (cached, _joined(self._services, cached))
        return known[1]


def _joined(services: Sequence[Service], found: Sequence[Sequence[ToolSchema] | AgentError]) -> OfferedTools:
    offered = OfferedTools([], {}, [])
    declared = {
        tool.name for tools in found if not isinstance(tools, AgentError) for tool in tools if not tool.listed
    }
    for service, tools in zip(services, found, strict=True):
        if isinstance(tools, AgentError):
            log_failure(tools.of(service.name, service.settings))
            offered.notes.append(
                f'The tools of the service "{service.name}" cannot be used now: '
                f"{failure_text(tools, service.name)} If the user needs them, say this."
            )
            continue
        for tool in tools:
            if tool.name in offered.services or (tool.listed and tool.name in declared):
                logger.warning('tool "%s" of "%s" is hidden by another of its name', tool.name, service.name)
                continue
            offered.services[tool.name] = service.name
            offered.tools.append(
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
            )
    return offered


async def _list(
    service: Service, credential: ServiceCredential, seconds: float
) -> Sequence[ToolSchema] | AgentError:
    try:
        async with asyncio.timeout(seconds):
            return await service.tools(credential)
    except AgentError as error:
        return error
    except TimeoutError:
        return ServiceError(
            service.error_code, f'"{service.name}" did not list its tools within {seconds:g} s'
        )
    except Exception as error:  # noqa: BLE001 - a fault of one service must not end the run
        logger.warning('"%s" could not list its tools: %s', service.name, type(error).__name__)
        return ServiceError(service.error_code, f'"{service.name}" could not list its tools')
